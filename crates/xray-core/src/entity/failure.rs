//! The `cause` of an entity. An error that passes through several entities is described once.

use crate::cause::{Exception, Frame, Identity};
use crate::document::json;
use crate::id::{EntityId, IdSource};
use crate::service_info::ServiceInfo;

/// The number of exceptions that an entity keeps, so that a loop that fails again and again stays small.
pub(super) const MAX_EXCEPTIONS: usize = 32;

/// The member `cause` of a document.
#[derive(Debug, Default)]
pub(crate) enum Cause {
    #[default]
    None,
    /// An exception that another entity of the trace describes.
    Reference(EntityId),
    /// In the order of the document.
    Exceptions(Vec<ExceptionRecord>),
}

/// One exception of a document.
#[derive(Debug)]
pub(crate) struct ExceptionRecord {
    id: EntityId,
    kind: String,
    pub(super) message: String,
    remote: bool,
    pub(super) stack: Vec<Frame>,
    pub(super) truncated: usize,
    cause: Option<EntityId>,
}

impl Cause {
    /// Adds exceptions. Returns whether there was room.
    ///
    /// Segments list the oldest exception first, subsegments the newest, as all X-Ray SDKs do.
    pub(super) fn add(&mut self, described: Vec<ExceptionRecord>, newest_first: bool) -> bool {
        let mut all = match std::mem::take(self) {
            Cause::Exceptions(all) => all,
            Cause::None | Cause::Reference(_) => Vec::new(),
        };
        let fits = all.len() + described.len() <= MAX_EXCEPTIONS;
        if fits {
            let at = if newest_first { 0 } else { all.len() };
            all.splice(at..at, described);
        }
        *self = Cause::Exceptions(all);
        fits
    }

    /// Refers to an exception, unless the entity describes one itself, which is more than a reference.
    pub(super) fn refer(&mut self, id: EntityId) {
        if !matches!(self, Cause::Exceptions(_)) {
            *self = Cause::Reference(id);
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>, service: &ServiceInfo) {
        match self {
            Cause::None => {}
            Cause::Reference(id) => {
                json::raw(out, ",\"cause\":");
                json::id(out, *id);
            }
            Cause::Exceptions(all) => {
                json::raw(out, ",\"cause\":{\"working_directory\":");
                out.extend_from_slice(service.working_directory());
                json::raw(out, ",\"exceptions\":");
                json::list(out, all, ExceptionRecord::write);
                out.push(b'}');
            }
        }
    }
}

impl ExceptionRecord {
    /// Removes all but the ids, to which other entities may refer.
    pub(super) fn clear_texts(&mut self) {
        self.kind.clear();
        self.message.clear();
    }

    fn write(out: &mut Vec<u8>, exception: &ExceptionRecord) {
        json::raw(out, "{\"id\":");
        json::id(out, exception.id);
        json::text_member(out, "message", &exception.message);
        json::text_member(out, "type", &exception.kind);
        json::member(out, "remote");
        json::boolean(out, exception.remote);
        if let Some(cause) = exception.cause {
            json::member(out, "cause");
            json::id(out, cause);
        }
        if exception.truncated > 0 {
            json::member(out, "truncated");
            json::unsigned(out, exception.truncated as u64);
        }
        json::member(out, "stack");
        json::list(out, &exception.stack, |out, frame| {
            json::raw(out, "{\"path\":");
            json::string(out, &frame.path);
            json::member(out, "line");
            json::unsigned(out, frame.line.into());
            json::text_member(out, "label", if frame.label.is_empty() { "anonymous" } else { &frame.label });
            out.push(b'}');
        });
        out.push(b'}');
    }
}

/// The failure that was recorded last in a trace. As in all X-Ray SDKs, only the last one is remembered.
#[derive(Debug)]
pub(crate) struct LastFailure {
    identity: Identity,
    exception: EntityId,
    entity: EntityId,
    parent: Option<EntityId>,
    /// The text of the last database error in the trace, which must not leave in an error that wraps it.
    holding_values: Option<String>,
}

/// How an entity refers to a failure.
pub(crate) enum CauseRef {
    Describe(Vec<ExceptionRecord>),
    Refer(EntityId),
    /// Not at all: it has described the failure already.
    Nothing,
}

/// Decides how the entity `id` below `parent` (`None` for a segment) describes `exception`, and remembers the
/// exception.
pub(crate) fn describe_once(
    last: &mut Option<LastFailure>,
    mut exception: Exception,
    (id, parent): (EntityId, Option<EntityId>),
    ids: &IdSource,
) -> CauseRef {
    let held = last.as_mut().and_then(|last| last.holding_values.take());
    if let Some(text) = &held {
        exception.reduce(text);
    }
    let holding_values = exception.take_reduced().or(held);
    let identity = exception.identity();
    // Whether the last failure may be an error that was recorded further down and now passes through here. Two errors
    // from the same code look alike: they count as one only from a child to its parent, or to the segment.
    let on_its_way = |last: &LastFailure| match last.identity {
        Identity::Made(_) => true,
        Identity::Alike(_) | Identity::Panic(_) | Identity::Unwinding => {
            parent.is_none() || last.parent == Some(id) || last.entity == id
        }
    };
    let known = last.as_ref().filter(|last| on_its_way(last));
    if let Some(known) = known.filter(|known| identity.is(known.identity)) {
        let (identity, exception, again) = (known.identity, known.exception, known.entity == id);
        *last = Some(LastFailure { identity, exception, entity: id, parent, holding_values });
        return if again { CauseRef::Nothing } else { CauseRef::Refer(exception) };
    }

    let first = ids.entity_id();
    let remote = exception.is_remote();
    let mut described = vec![ExceptionRecord {
        id: first,
        kind: exception.kind().to_owned(),
        message: exception.message().to_owned(),
        remote,
        stack: vec![],
        truncated: 0,
        cause: None,
    }];
    for source in exception.sources() {
        let described_before = known.filter(|known| known.identity == Identity::alike(&source.message));
        let source_id = described_before.map_or_else(|| ids.entity_id(), |known| known.exception);
        if let Some(caused) = described.last_mut() {
            caused.cause = Some(source_id);
        }
        if described_before.is_some() {
            break;
        }
        described.push(ExceptionRecord {
            id: source_id,
            kind: source.kind.clone(),
            message: source.message.clone(),
            remote,
            stack: vec![],
            truncated: 0,
            cause: None,
        });
    }
    (described[0].stack, described[0].truncated) = exception.into_stack();
    *last = Some(LastFailure { identity, exception: first, entity: id, parent, holding_values });
    CauseRef::Describe(described)
}
