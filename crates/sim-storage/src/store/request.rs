//! Requests and replies as they travel: owned, and free of any client library's types.

use std::fmt;

use bytes::Bytes;
use thiserror::Error;

use crate::fault::Shape;
use crate::latency::Operation;
use crate::model::{
    Attributes, Cursor, Generation, ListRequest, Model, NameId, Origin, Page, Part, Read,
    ReadRequest, Refusal, Tag, UploadId, WriteCondition, Written,
};

/// Whether a request may apply once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    Never,
    Possible,
}

/// How a request applies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How {
    pub(crate) by: Origin,
    pub(crate) again: Again,
    /// The time whose state a read or a listing shows.
    pub(crate) seen_at: u64,
}

/// Kinds of requests, as trace events number them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum RequestKind {
    /// PUT without a condition.
    Put,
    /// PUT if absent.
    Create,
    /// PUT if unchanged.
    Update,
    /// GET.
    Get,
    /// HEAD.
    Head,
    /// DELETE of one object or a batch.
    Delete,
    /// One page of a listing.
    List,
    /// Copy on the server.
    Copy,
    /// Rename on the server.
    Rename,
    /// Beginning of a multipart upload.
    Begin,
    /// One part of a multipart upload.
    Part,
    /// Completion of a multipart upload.
    Complete,
    /// Abortion of a multipart upload.
    Abort,
}

impl RequestKind {
    /// The name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Create => "create",
            Self::Update => "update",
            Self::Get => "get",
            Self::Head => "head",
            Self::Delete => "delete",
            Self::List => "list",
            Self::Copy => "copy",
            Self::Rename => "rename",
            Self::Begin => "begin-upload",
            Self::Part => "put-part",
            Self::Complete => "complete-upload",
            Self::Abort => "abort-upload",
        }
    }

    /// Whether it makes a new version of one object if it succeeds.
    pub fn makes_a_version(self) -> bool {
        use RequestKind::{Complete, Copy, Create, Put, Rename, Update};
        matches!(self, Put | Create | Update | Copy | Rename | Complete)
    }
}

/// Why a client got no good answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Failure {
    /// The store refused.
    #[error("{0} (HTTP {code})", code = .0.status())]
    Refused(#[from] Refusal),
    /// The connection broke.
    #[error("connection reset")]
    Reset,
    /// No answer within the transport's time.
    #[error("timed out")]
    TimedOut,
}

impl Failure {
    /// The HTTP status; 0 for a broken connection and 1 for none in time, which have no status.
    pub fn status(self) -> u16 {
        match self {
            Self::Refused(refusal) => refusal.status(),
            Self::Reset => 0,
            Self::TimedOut => 1,
        }
    }
}

/// One request.
#[derive(Debug)]
pub(crate) enum Request {
    Put {
        name: NameId,
        /// Handed over to the model when it arrives, unless it arrives twice.
        body: Bytes,
        size: usize,
        attributes: Attributes,
        condition: WriteCondition,
    },
    Read {
        name: NameId,
        read: ReadRequest,
    },
    Delete {
        name: NameId,
    },
    DeleteBatch {
        names: Vec<NameId>,
    },
    List {
        prefix: String,
        after: Option<String>,
        delimiter: Option<char>,
        cursor: Option<Cursor>,
    },
    Copy {
        from: NameId,
        to: NameId,
        condition: WriteCondition,
    },
    Rename {
        from: NameId,
        to: NameId,
        condition: WriteCondition,
    },
    Begin {
        name: NameId,
        attributes: Attributes,
    },
    Part {
        name: NameId,
        upload: UploadId,
        number: u32,
        body: Bytes,
    },
    Complete {
        name: NameId,
        upload: UploadId,
        parts: u32,
    },
    Abort {
        name: NameId,
        upload: UploadId,
    },
}

/// A good answer.
#[derive(Debug)]
pub(crate) enum Reply {
    Done,
    Written(Written),
    Read(Read, BodyFate),
    Deleted(Vec<Result<(), Refusal>>),
    Page(Box<ListedPage>),
    Upload(UploadId),
}

/// What becomes of the body of an answer on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyFate {
    /// It arrives.
    Whole,
    /// It ends after so many bytes, and nobody notices.
    Short(usize),
    /// The connection breaks after so many bytes.
    Broken(usize),
    /// This bit is wrong.
    Flipped(u64),
}

/// What a listing says of one object.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) tag: Tag,
    pub(crate) generation: Generation,
    pub(crate) last_modified: u64,
}

/// One page of a listing, as it was when the request applied.
#[derive(Debug)]
pub(crate) struct ListedPage {
    pub(crate) objects: Vec<Listed>,
    pub(crate) prefixes: Vec<String>,
    pub(crate) next: Option<Cursor>,
}

impl Request {
    pub(crate) fn kind(&self) -> RequestKind {
        match self {
            Self::Put { condition, .. } => match condition {
                WriteCondition::None => RequestKind::Put,
                WriteCondition::Absent => RequestKind::Create,
                WriteCondition::Tag(_) | WriteCondition::Generation(_) => RequestKind::Update,
            },
            Self::Read { read, .. } if read.part == Part::Head => RequestKind::Head,
            Self::Read { .. } => RequestKind::Get,
            Self::Delete { .. } | Self::DeleteBatch { .. } => RequestKind::Delete,
            Self::List { .. } => RequestKind::List,
            Self::Copy { .. } => RequestKind::Copy,
            Self::Rename { .. } => RequestKind::Rename,
            Self::Begin { .. } => RequestKind::Begin,
            Self::Part { .. } => RequestKind::Part,
            Self::Complete { .. } => RequestKind::Complete,
            Self::Abort { .. } => RequestKind::Abort,
        }
    }

    /// The object that it is about; the target of a copy, the first name of a batch.
    pub(crate) fn name(&self) -> Option<NameId> {
        match self {
            Self::Put { name, .. }
            | Self::Read { name, .. }
            | Self::Delete { name }
            | Self::Begin { name, .. }
            | Self::Part { name, .. }
            | Self::Complete { name, .. }
            | Self::Abort { name, .. } => Some(*name),
            Self::Copy { to, .. } | Self::Rename { to, .. } => Some(*to),
            Self::DeleteBatch { names } => names.first().copied(),
            Self::List { .. } => None,
        }
    }

    pub(crate) fn shape(&self) -> Shape {
        let plain = Shape {
            kind: self.kind(),
            operation: Operation::Put,
            size: 0,
            writes: true,
            conditional: false,
            reads_body: false,
            may_tear: false,
            is_batch: false,
        };
        match self {
            Self::Put { size, condition, .. } => Shape {
                operation: match condition.is_conditional() {
                    true => Operation::ConditionalPut,
                    false => Operation::Put,
                },
                size: *size as u64,
                conditional: condition.is_conditional(),
                may_tear: *size > 0
                    && matches!(condition, WriteCondition::None | WriteCondition::Absent),
                ..plain
            },
            Self::Read { read, .. } => Shape {
                operation: Operation::Get,
                writes: false,
                reads_body: read.part != Part::Head,
                ..plain
            },
            Self::Delete { .. } => Shape { operation: Operation::Delete, ..plain },
            Self::DeleteBatch { .. } => {
                Shape { operation: Operation::Delete, is_batch: true, ..plain }
            }
            Self::List { .. } => Shape { operation: Operation::List, writes: false, ..plain },
            Self::Copy { condition, .. } | Self::Rename { condition, .. } => Shape {
                operation: Operation::Copy,
                conditional: condition.is_conditional(),
                ..plain
            },
            Self::Part { body, .. } => Shape { size: body.len() as u64, ..plain },
            Self::Complete { .. } => Shape { operation: Operation::ConditionalPut, ..plain },
            Self::Begin { .. } | Self::Abort { .. } => plain,
        }
    }

    /// Has the model do it.
    pub(crate) fn apply(
        &mut self,
        model: &mut Model,
        page: &mut Page,
        how: &How,
    ) -> Result<Reply, Refusal> {
        let How { by, again, seen_at } = *how;
        match self {
            Self::Put { name, body, attributes, condition, .. } => {
                // A body without a second owner is cheaper for everyone who touches it later.
                let body = match again {
                    Again::Never => std::mem::take(body),
                    Again::Possible => body.clone(),
                };
                model.put(by, *name, body, attributes.clone(), condition).map(Reply::Written)
            }
            Self::Read { name, read } => model
                .read_as_of(by, *name, read, seen_at)
                .map(|read| Reply::Read(read, BodyFate::Whole)),
            Self::Delete { name } => model.delete(by, *name).map(|()| Reply::Done),
            Self::DeleteBatch { names } => {
                let results = names.iter().map(|&name| model.delete(by, name));
                Ok(Reply::Deleted(results.collect()))
            }
            Self::List { prefix, after, delimiter, cursor } => {
                let request = ListRequest {
                    prefix,
                    after: after.as_deref(),
                    delimiter: *delimiter,
                    cursor: *cursor,
                };
                model.list_as_of(&request, page, seen_at);
                Ok(Reply::Page(Box::new(ListedPage::of(model, page, seen_at))))
            }
            Self::Copy { from, to, condition } => {
                model.copy(by, *from, *to, condition).map(Reply::Written)
            }
            Self::Rename { from, to, condition } => {
                model.rename(by, *from, *to, condition).map(Reply::Written)
            }
            Self::Begin { name, attributes } => {
                Ok(Reply::Upload(model.begin_upload(by, *name, attributes.clone())))
            }
            Self::Part { upload, number, body, .. } => {
                model.put_part(*upload, *number, body.clone())?;
                Ok(Reply::Done)
            }
            Self::Complete { upload, parts, .. } => model
                .complete_upload(by, *upload, *parts, &WriteCondition::None)
                .map(Reply::Written),
            Self::Abort { upload, .. } => model.abort_upload(*upload).map(|()| Reply::Done),
        }
    }

    /// What a request for a page of a listing asks for.
    pub(crate) fn list_request(&self) -> Option<ListRequest<'_>> {
        match self {
            Self::List { prefix, after, delimiter, cursor } => Some(ListRequest {
                prefix,
                after: after.as_deref(),
                delimiter: *delimiter,
                cursor: *cursor,
            }),
            _ => None,
        }
    }

    /// One line for a person.
    pub(crate) fn describe(&self, model: &Model) -> String {
        let name = self.name().map_or("", |name| model.text(name));
        let kind = self.kind().name();
        match self {
            Self::Put { size, condition, .. } => {
                format!("{kind} {name}{} ({size} B)", Shown(condition))
            }
            Self::Read { read, .. } => match &read.conditions.none_matches {
                Some(_) => format!("{kind} {name} if-none-match"),
                None => format!("{kind} {name}"),
            },
            Self::DeleteBatch { names } => {
                let names: Vec<&str> = names.iter().map(|name| model.text(*name)).collect();
                format!("{kind} {}", names.join(" "))
            }
            Self::List { prefix, cursor, .. } => match cursor {
                Some(_) => format!("{kind} {prefix}* next page"),
                None => format!("{kind} {prefix}*"),
            },
            Self::Copy { from, condition, .. } | Self::Rename { from, condition, .. } => {
                format!("{kind} {} to {name}{}", model.text(*from), Shown(condition))
            }
            Self::Part { number, body, .. } => {
                format!("{kind} {name} #{number} ({} B)", body.len())
            }
            _ => format!("{kind} {name}"),
        }
    }
}

/// A condition for a person.
struct Shown<'a>(&'a WriteCondition);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            WriteCondition::None => Ok(()),
            WriteCondition::Absent => f.write_str(" if-absent"),
            WriteCondition::Tag(tag) => write!(f, " if-match {tag:?}"),
            WriteCondition::Generation(generation) => write!(f, " if-generation {}", generation.0),
        }
    }
}

impl ListedPage {
    pub(crate) fn of(model: &Model, page: &Page, seen_at: u64) -> Self {
        let listed = page.objects.iter().filter_map(|&name| {
            let version = model.at(name, seen_at)?;
            Some(Listed {
                name: model.text(name).to_owned(),
                size: version.size(),
                tag: version.tag,
                generation: version.generation,
                last_modified: version.last_modified,
            })
        });
        let prefixes = page.prefixes.iter();
        Self {
            objects: listed.collect(),
            prefixes: prefixes.map(|&(name, len)| model.text(name)[..len].to_owned()).collect(),
            next: page.next,
        }
    }

    /// Whether both show the same versions and prefixes.
    pub(crate) fn shows_the_same(&self, other: &Self) -> bool {
        let generations = |page: &Self| -> Vec<_> {
            page.objects.iter().map(|listed| listed.generation).collect()
        };
        generations(self) == generations(other)
            && self.prefixes == other.prefixes
            && self.next.is_some() == other.next.is_some()
    }
}
