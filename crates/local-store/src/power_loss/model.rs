//! A disk that may forget.
//!
//! It is told what was changed and what was waited for, and says what can be found after a process
//! was killed (everything that was done) and after a power loss (what was waited for, and of the
//! rest any part). Stricter than the file systems in use: of two changes in one directory that were
//! not waited for, the second may survive without the first.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::disk::recorder::Event;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    File(usize),
    Directory,
}

#[derive(Debug, Clone, Default)]
struct Contents {
    durable: Vec<u8>,
    now: Vec<u8>,
    settled: bool,
}

/// All that may be in the place of a name: what is durable, then what it was changed to since.
type History = Vec<Option<Node>>;

/// The disk beneath the root of a store. Paths are relative to it.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    files: Vec<Contents>,
    names: BTreeMap<PathBuf, History>,
}

impl Disk {
    /// With an empty root.
    pub(super) fn new() -> Self {
        Self { files: Vec::new(), names: BTreeMap::new() }
    }

    /// Follows an event beneath a root; what is above it was there before.
    pub(super) fn apply(&mut self, event: &Event, root: &Path) {
        let at = |path: &PathBuf| path.strip_prefix(root).expect("beneath the root").to_path_buf();
        match event {
            Event::Create(path) => {
                self.files.push(Contents::default());
                self.set(at(path), Some(Node::File(self.files.len() - 1)));
            }
            Event::Write(path, bytes, offset) => {
                let now = &mut self.file(&at(path)).now;
                let (begin, end) = (*offset as usize, *offset as usize + bytes.len());
                now.resize(end.max(now.len()), 0);
                now[begin..end].copy_from_slice(bytes);
            }
            Event::SyncFile(path) => {
                let file = self.file(&at(path));
                file.durable.clone_from(&file.now);
            }
            Event::SyncDirectory(path) => {
                let directory = at(path);
                let inside = |(name, _): &(&PathBuf, _)| name.parent() == Some(&directory);
                for (_, history) in self.names.iter_mut().filter(inside) {
                    history.drain(..history.len() - 1);
                }
            }
            Event::Rename(from, to) => {
                let node = self.now(&at(from));
                self.set(at(to), node);
                self.set(at(from), None);
            }
            Event::CreateDirectory(path) => self.set(at(path), Some(Node::Directory)),
            Event::Remove(path) | Event::RemoveDirectory(path) => self.set(at(path), None),
            Event::MarkSettled(path) => self.file(&at(path)).settled = true,
        }
    }

    fn set(&mut self, path: PathBuf, node: Option<Node>) {
        self.names.entry(path).or_insert_with(|| vec![None]).push(node);
    }

    fn now(&self, path: &Path) -> Option<Node> {
        self.names.get(path)?.last().copied()?
    }

    fn file(&mut self, path: &Path) -> &mut Contents {
        match self.now(path) {
            Some(Node::File(number)) => &mut self.files[number],
            other => panic!("{} is {other:?}", path.display()),
        }
    }

    /// Builds what is there while the machine runs.
    pub(super) fn build_running(&self, root: &Path) {
        let last = |_: &Path, history: &History| *history.last().expect("never empty");
        self.build(root, last, |file| file.now.clone());
    }

    /// Builds what one of the possible power losses leaves.
    pub(super) fn build_after_power_loss(&self, root: &Path, choice: usize) {
        let choice = std::cell::Cell::new(choice);
        // The digits of a number in mixed radix.
        let choose = |among: usize| {
            let chosen = choice.get() % among;
            choice.set(choice.get() / among);
            chosen
        };
        // From the newest to the durable one.
        let name = |path: &Path, history: &History| {
            history[history.len() - 1 - choose(ways(path, history))]
        };
        let contents = |file: &Contents| match choose(file.ways()) {
            0 => file.durable.clone(),
            1 => file.now.clone(),
            // The length without the bytes.
            _ => vec![0; file.now.len()],
        };
        self.build(root, name, contents);
    }

    /// The power losses that are possible; of very many a part, spread over all of them.
    pub(super) fn power_losses(&self) -> impl Iterator<Item = usize> + use<> {
        const MOST: usize = 64;
        let names = self.names.iter().map(|(path, history)| ways(path, history)).product::<usize>();
        let all = names * self.files.iter().map(Contents::ways).product::<usize>();
        let chosen = move |n: usize| match n {
            _ if all <= MOST => n,
            0 => all - 1,
            _ => n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % all,
        };
        (0..all.min(MOST)).map(chosen)
    }

    fn build(
        &self,
        root: &Path,
        name: impl Fn(&Path, &History) -> Option<Node>,
        contents: impl Fn(&Contents) -> Vec<u8>,
    ) {
        let contents: Vec<Vec<u8>> = self.files.iter().map(contents).collect();
        // A directory comes before what is in it. What is in a lost directory is lost.
        for (path, history) in &self.names {
            let node = name(path, history);
            let path = root.join(path);
            let node = node.filter(|_| path.parent().is_some_and(Path::exists));
            match node {
                Some(Node::Directory) => fs::create_dir(&path).expect("its parent is there"),
                Some(Node::File(number)) => {
                    fs::write(&path, &contents[number]).expect("its parent is there");
                    let mode = if self.files[number].settled { 0o444 } else { 0o644 };
                    fs::set_permissions(&path, Permissions::from_mode(mode)).expect("it is ours");
                }
                None => {}
            }
        }
    }
}

/// In how many ways a name may come out. In the staging area the newest stands for all: what may be
/// left there, the killed processes show.
fn ways(path: &Path, history: &History) -> usize {
    if path.starts_with(".local-store/staging") { 1 } else { history.len() }
}

impl Contents {
    fn ways(&self) -> usize {
        if self.durable == self.now { 1 } else { 3 }
    }
}
