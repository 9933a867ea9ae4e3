//! The reference: the same steps done to the model and to an ordered map, compared one by one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use sim_storage::model::{
    Applied, Attributes, ByteRange, ListRequest, Model, Observer, Origin, Page, Part,
    ReadConditions, ReadRequest, Refusal, Tag, TagMatch, UploadId, WriteCondition, Written,
};
use sim_storage::profile::{
    ETags, ListOrder, MissingDelete, MissingUpdate, MultipartDate, Profile, SameNameUploads,
    SecondComplete, UpdateCondition,
};

pub(crate) const NAMES: [&str; 7] = ["a", "a/b", "a/b/c", "a/b/d", "a/c", "b/x", "\u{e9}/z"];

/// What a conditional write rests on, by meaning: the test fills in tag or generation.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Basis {
    Anything,
    Absence,
    Newest,
    /// The version that some write made, counted over all writes of the run.
    Earlier(usize),
}

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Put(usize, u8, Basis),
    Read(usize, Part),
    ReadIfNoneMatch(usize),
    ReadIfMatch(usize, usize),
    Delete(usize),
    Copy(usize, usize, Basis),
    Rename(usize, usize),
    List { prefix: &'static str, after: Option<usize>, delimiter: bool },
    Begin(usize),
    PutPart(usize, u32, u8),
    Complete(usize, u32, Basis),
    Abort(usize),
}

/// `kind` copies of the byte `kind`: few contents, so that tags recur.
pub(crate) fn body(kind: u8) -> Bytes {
    Bytes::from(vec![kind; usize::from(kind)])
}
#[derive(Debug, Clone, PartialEq)]
struct Known {
    body: Bytes,
    written: Written,
    date: u64,
}

#[derive(Debug)]
struct KnownUpload {
    id: UploadId,
    name: usize,
    begun: u64,
    parts: BTreeMap<u32, Bytes>,
    /// None while open; then what its completion was told, if it was completed.
    closed: Option<Option<Written>>,
}

/// Rebuilds the store from events alone.
#[derive(Debug, Default)]
struct Rebuilt(BTreeMap<String, (Bytes, u64)>);

struct Watcher(Arc<Mutex<Rebuilt>>);

impl Observer for Watcher {
    fn applied(&mut self, change: &Applied<'_>) {
        let mut rebuilt = self.0.lock().unwrap();
        let known_before = rebuilt.0.get(change.text).map(|(_, generation)| *generation);
        assert_eq!(known_before, change.before.map(|version| version.generation.0));
        match change.after {
            Some(v) => {
                assert_eq!(v.applied_at, change.origin.at);
                rebuilt.0.insert(change.text.to_owned(), (v.body.clone(), v.generation.0));
            }
            None => assert!(rebuilt.0.remove(change.text).is_some(), "deleted what was not there"),
        }
    }
}

pub(crate) struct Pair {
    model: Model,
    profile: Profile,
    objects: BTreeMap<usize, Known>,
    uploads: Vec<KnownUpload>,
    writes: Vec<Written>,
    now: u64,
    rebuilt: Arc<Mutex<Rebuilt>>,
}

impl Pair {
    pub(crate) fn new(profile: Profile) -> Self {
        let mut model = Model::new(Arc::new(profile.clone()));
        let rebuilt = Arc::new(Mutex::new(Rebuilt::default()));
        model.watch(Box::new(Watcher(Arc::clone(&rebuilt))));
        let (objects, uploads, writes) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { model, profile, objects, uploads, writes, now: 0, rebuilt }
    }

    fn condition(&self, name: usize, basis: Basis) -> WriteCondition {
        let written = match basis {
            Basis::Anything => return WriteCondition::None,
            Basis::Absence => return WriteCondition::Absent,
            Basis::Newest => self.objects.get(&name).map(|known| known.written),
            Basis::Earlier(n) => self.writes.get(n).copied(),
        };
        match (written, self.profile.update) {
            (None, _) => WriteCondition::Tag(Tag::from_client("\"never\"")),
            (Some(w), UpdateCondition::Generation) => WriteCondition::Generation(w.generation),
            (Some(w), _) => WriteCondition::Tag(w.tag),
        }
    }

    /// What the condition must say, told in the words of the documentation.
    fn verdict(&self, name: usize, condition: &WriteCondition) -> Result<(), Refusal> {
        let current = self.objects.get(&name);
        let equal = match condition {
            WriteCondition::None => return Ok(()),
            WriteCondition::Absent => {
                return if current.is_none() { Ok(()) } else { Err(Refusal::Exists) };
            }
            WriteCondition::Tag(tag) if self.profile.update == UpdateCondition::Tag => {
                current.map(|known| known.written.tag == *tag)
            }
            WriteCondition::Generation(g) if self.profile.update == UpdateCondition::Generation => {
                current.map(|known| known.written.generation == *g)
            }
            _ => return Err(Refusal::Unsupported),
        };
        match equal {
            Some(true) => Ok(()),
            None if self.profile.missing_update == MissingUpdate::NotFound => {
                Err(Refusal::NotFound)
            }
            _ => Err(Refusal::PreconditionFailed),
        }
    }

    fn wrote(&mut self, name: usize, body: Bytes, written: Written, date: u64) {
        let newer = self.writes.iter().all(|old| old.generation < written.generation);
        assert!(newer, "generations grow and never repeat");
        if self.profile.etags == ETags::Unique {
            assert!(self.writes.iter().all(|old| old.tag != written.tag), "a unique tag recurred");
        }
        self.writes.push(written);
        let date = date - date % self.profile.date_granularity_ns;
        self.objects.insert(name, Known { body, written, date });
    }

    pub(crate) fn step(&mut self, step: &Step) {
        self.now += 700_000_001;
        let by = Origin { request: self.now, process: 1, at: self.now, clock: self.now };
        let ids: Vec<_> = NAMES.iter().map(|name| self.model.name(name)).collect();
        match step.clone() {
            Step::Put(name, kind, basis) => {
                let condition = self.condition(name, basis);
                let expected = self.verdict(name, &condition);
                let got =
                    self.model.put(by, ids[name], body(kind), Attributes::default(), &condition);
                assert_eq!(got.map(|_| ()), expected);
                if let Ok(written) = got {
                    if self.profile.etags == ETags::OfContent {
                        assert_eq!(written.tag, Tag::of_content(&body(kind)));
                    }
                    self.wrote(name, body(kind), written, self.now);
                }
            }
            Step::Read(name, part) => {
                self.read(by, name, ReadRequest { part, ..Default::default() })
            }
            Step::ReadIfNoneMatch(name) => {
                let tag = self.objects.get(&name).map(|known| known.written.tag);
                let none_matches = tag.map(TagMatch::One);
                let conditions = ReadConditions { none_matches, ..Default::default() };
                self.read(by, name, ReadRequest { conditions, ..Default::default() });
            }
            Step::ReadIfMatch(name, write) => {
                let matches = self.writes.get(write).map(|written| TagMatch::One(written.tag));
                let conditions = ReadConditions { matches, ..Default::default() };
                self.read(by, name, ReadRequest { conditions, ..Default::default() });
            }
            Step::Delete(name) => {
                let existed = self.objects.remove(&name).is_some();
                let minds = self.profile.missing_delete == MissingDelete::NotFound;
                let expected = if existed || !minds { Ok(()) } else { Err(Refusal::NotFound) };
                assert_eq!(self.model.delete(by, ids[name]), expected);
            }
            Step::Copy(from, to, basis) => {
                let condition = self.condition(to, basis);
                let source = self.objects.get(&from).cloned();
                let verdict = self.verdict(to, &condition);
                let expected = if source.is_some() { verdict } else { Err(Refusal::NotFound) };
                let got = self.model.copy(by, ids[from], ids[to], &condition);
                assert_eq!(got.map(|_| ()), expected);
                if let (Ok(written), Some(source)) = (got, source) {
                    self.wrote(to, source.body, written, self.now);
                }
            }
            Step::Rename(from, to) => {
                let source = self.objects.get(&from).cloned();
                let got = self.model.rename(by, ids[from], ids[to], &WriteCondition::None);
                assert_eq!(got.is_ok(), source.is_some());
                if let (Ok(written), Some(source)) = (got, source) {
                    self.objects.remove(&from);
                    self.wrote(to, source.body, written, self.now);
                }
            }
            Step::List { prefix, after, delimiter } => {
                self.list(prefix, after.map(|n| NAMES[n]), delimiter.then_some('/'));
            }
            Step::Begin(name) => {
                let id = self.model.begin_upload(by, ids[name], Attributes::default());
                let parts = BTreeMap::new();
                self.uploads.push(KnownUpload { id, name, begun: self.now, parts, closed: None });
            }
            Step::PutPart(upload, number, byte) => {
                let Some(known) = self.uploads.get_mut(upload) else {
                    return;
                };
                let body = Bytes::from(vec![byte; 3]);
                let got = self.model.put_part(known.id, number, body.clone());
                let open = known.closed.is_none();
                assert_eq!(got, if open { Ok(()) } else { Err(Refusal::NoSuchUpload) });
                if open {
                    known.parts.insert(number, body);
                }
            }
            Step::Complete(upload, count, basis) => self.complete(by, upload, count, basis),
            Step::Abort(upload) => {
                let Some(known) = self.uploads.get_mut(upload) else {
                    return;
                };
                let open = known.closed.is_none();
                let expected = if open { Ok(()) } else { Err(Refusal::NoSuchUpload) };
                assert_eq!(self.model.abort_upload(known.id), expected);
                known.closed.get_or_insert(None);
            }
        }
    }

    fn complete(&mut self, by: Origin, upload: usize, count: u32, basis: Basis) {
        let Some(known) = self.uploads.get(upload) else {
            return;
        };
        let (id, name, begun) = (known.id, known.name, known.begun);
        let condition = self.condition(name, basis);
        let missing = (0..count).find(|number| !known.parts.contains_key(number));
        let expected = match (known.closed, self.profile.second_complete) {
            (Some(Some(first)), SecondComplete::Ok) => Some(Ok(first)),
            (Some(_), _) => Some(Err(Refusal::NoSuchUpload)),
            (None, _) => match (self.verdict(name, &condition), missing) {
                (Err(refusal), _) => Some(Err(refusal)),
                (Ok(()), Some(number)) => Some(Err(Refusal::MissingPart(number))),
                (Ok(()), None) => None,
            },
        };
        let got = self.model.complete_upload(by, id, count, &condition);
        if let Some(expected) = expected {
            assert_eq!(got, expected);
            return;
        }
        let written = got.expect("nothing speaks against it");
        let body: Vec<u8> = known.parts.range(..count).flat_map(|(_, b)| b.to_vec()).collect();
        let date = match self.profile.multipart_date {
            MultipartDate::Initiation => begun,
            MultipartDate::Completion => self.now,
        };
        self.uploads[upload].closed = Some(Some(written));
        if self.profile.same_name_uploads == SameNameUploads::FirstWins {
            for rival in self.uploads.iter_mut().filter(|rival| rival.name == name) {
                rival.closed.get_or_insert(None);
            }
        }
        self.wrote(name, body.into(), written, date);
    }

    fn read(&mut self, by: Origin, name: usize, request: ReadRequest) {
        let id = self.model.name(NAMES[name]);
        let got = self.model.read(by, id, &request);
        let Some(known) = self.objects.get(&name) else {
            assert_eq!(got.unwrap_err(), Refusal::NotFound);
            return;
        };
        let is = |tags: &TagMatch| *tags == TagMatch::One(known.written.tag);
        if request.conditions.matches.as_ref().is_some_and(|tags| !is(tags)) {
            assert_eq!(got.unwrap_err(), Refusal::PreconditionFailed);
            return;
        }
        if request.conditions.none_matches.as_ref().is_some_and(is) {
            assert_eq!(got.unwrap_err(), Refusal::NotModified);
            return;
        }
        let size = known.body.len() as u64;
        let bytes: Vec<u64> = match request.part {
            Part::Whole | Part::Head => (0..size).collect(),
            Part::Range(ByteRange::Bounded(a, b)) => (a..b).filter(|at| *at < size).collect(),
            Part::Range(ByteRange::From(a)) => (a..size).collect(),
            Part::Range(ByteRange::Last(n)) => (0..size).filter(|at| at + n >= size).collect(),
        };
        let empty_is_fine = matches!(request.part, Part::Whole | Part::Head)
            || matches!(request.part, Part::Range(ByteRange::Last(_)));
        if bytes.is_empty() && !empty_is_fine {
            assert!(matches!(got, Err(Refusal::RangeNotSatisfiable { .. })));
            return;
        }
        let got = got.expect("it is there");
        let content: Vec<u8> = bytes.iter().map(|at| known.body[*at as usize]).collect();
        let wanted: &[u8] = if request.part == Part::Head { &[] } else { &content };
        assert_eq!(got.body(), wanted);
        assert_eq!(got.range.end - got.range.start, bytes.len() as u64);
        let version = &*got.version;
        assert_eq!((version.size(), version.tag), (size, known.written.tag));
        assert_eq!(
            (version.generation, version.last_modified),
            (known.written.generation, known.date)
        );
    }

    /// Walks all pages and compares them with a filter over everything.
    fn list(&mut self, prefix: &str, after: Option<&str>, delimiter: Option<char>) {
        let mut expected = BTreeSet::new();
        for &name in self.objects.keys() {
            let text = NAMES[name];
            if !text.starts_with(prefix) || after.is_some_and(|after| text <= after) {
                continue;
            }
            let cut = delimiter.and_then(|d| text[prefix.len()..].find(d));
            let shown = cut.map_or(text, |cut| &text[..prefix.len() + cut + 1]);
            expected.insert((shown.to_owned(), cut.is_some()));
        }
        let mut seen = Vec::new();
        let (mut page, mut cursor) = (Page::default(), None);
        loop {
            self.model.list(&ListRequest { prefix, after, delimiter, cursor }, &mut page);
            let lines = page.objects.len() + page.prefixes.len();
            assert!(lines <= self.profile.page_size as usize);
            let mut lines: Vec<_> =
                page.objects.iter().map(|&id| (self.model.text(id).to_owned(), false)).collect();
            let rolled = page.prefixes.iter();
            lines.extend(rolled.map(|&(id, len)| (self.model.text(id)[..len].to_owned(), true)));
            if self.profile.list_order == ListOrder::Sorted {
                lines.sort();
            }
            seen.extend(lines);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        if self.profile.list_order == ListOrder::Sorted {
            assert!(seen.is_sorted(), "{seen:?}");
        }
        assert_eq!(seen.len(), expected.len(), "nothing twice: {seen:?}");
        assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), expected);
    }

    pub(crate) fn finish(&self) {
        let rebuilt = self.rebuilt.lock().unwrap();
        let truth: BTreeMap<_, _> = self
            .objects
            .iter()
            .map(|(&n, known)| {
                (NAMES[n].to_owned(), (known.body.clone(), known.written.generation.0))
            })
            .collect();
        assert_eq!(rebuilt.0, truth);
        let listed: BTreeSet<_> =
            self.model.objects().map(|(id, _)| self.model.text(id).to_owned()).collect();
        assert_eq!(listed, truth.into_keys().collect());
        let open = self.uploads.iter().filter(|upload| upload.closed.is_none()).count();
        assert_eq!(self.model.open_uploads().count(), open);
    }
}
