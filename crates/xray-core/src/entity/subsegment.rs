//! Subsegments: the parts of the work, and the calls to others.

use super::body::Namespace;
use super::either::Entity;
use super::handle::{Handle, Owner, Share, shared_methods};
use crate::aws::Aws;
use crate::flag::Flag;
use crate::http::{HttpRequest, HttpResponse};
use crate::id::EntityId;
use crate::sql::Sql;
use crate::to_exception::ToException;

/// A part of the work, or a call to another service.
///
/// Clones are the same subsegment. The first [`close`](Subsegment::close) closes it, once; without one it
/// closes when its last handle is dropped.
///
/// ```
/// # let (recorder, traces) = xray_core::Recorder::in_memory();
/// # let segment = recorder.begin("shop");
/// let step = segment.subsegment("copy files");
/// let of_worker = step.clone();
/// std::thread::spawn(move || {
///     of_worker.annotate("files", 12);
/// })
/// .join();
/// step.close();
/// ```
#[derive(Clone, Debug)]
pub struct Subsegment {
    owner: Owner,
}

shared_methods!(Subsegment);

impl Subsegment {
    pub(crate) fn begun(handle: Handle) -> Subsegment {
        Subsegment { owner: Owner::first(handle) }
    }

    pub(crate) fn handle(&self) -> &Handle {
        self.owner.handle()
    }

    pub(crate) fn share(&self) -> Option<Share> {
        self.owner.share()
    }

    /// Records the failure of work that has one.
    pub(crate) fn record_failure<T, E: ToException<M>, M>(&self, flag: Flag, result: &Result<T, E>) {
        if let Err(error) = result {
            self.handle().describe(flag, error);
        }
    }

    /// The same subsegment without a share in keeping it open.
    pub fn entity(&self) -> Entity {
        Entity::new(self.handle().clone())
    }

    /// Says what kind of call this is. Without it the work is this service's own.
    pub fn set_namespace(&self, namespace: Namespace) -> &Subsegment {
        self.handle().edit(|body| body.set_namespace(namespace));
        self
    }

    /// Says that the called service sends a segment of its own, so that X-Ray waits for it.
    pub fn set_traced(&self, traced: bool) -> &Subsegment {
        self.handle().edit(|body| body.set_traced(traced));
        self
    }

    /// Describes the HTTP request that is made.
    pub fn set_http_request(&self, request: &HttpRequest<'_>) -> &Subsegment {
        self.handle().edit(|body| body.set_http_request(|out| request.write(out)));
        self
    }

    /// Describes the HTTP response. Its flags are a matter of [`mark`](Subsegment::mark).
    pub fn set_http_response(&self, response: &HttpResponse) -> &Subsegment {
        self.handle().edit(|body| body.set_http_response(|out| response.write(out)));
        self
    }

    /// Describes the database query that is made.
    pub fn set_sql(&self, sql: &Sql) -> &Subsegment {
        let Some(node) = self.handle().recorded() else { return self };
        let query = if node.pipeline().collects_sql { sql.sanitised_query() } else { None };
        node.edit(|body| body.set_sql(|out| sql.write(out, query.as_deref())));
        self
    }

    /// Describes the AWS call that is made.
    pub fn set_aws(&self, aws: &Aws) -> &Subsegment {
        self.handle().edit(|body| body.set_aws(|out| aws.write(out)));
        self
    }

    /// Names a subsegment that had to end before this one could begin; the first 100 are kept.
    pub fn add_precursor(&self, id: EntityId) -> &Subsegment {
        self.handle().edit(|body| body.add_precursor(id));
        self
    }

    /// Closes the subsegment. Closing again does nothing.
    pub fn close(&self) {
        if let Handle::Recorded(node) = self.handle() {
            node.close(None);
        }
    }

    /// Closes the subsegment as of `end`, for work that is known to have ended earlier.
    pub fn close_at(&self, end: std::time::SystemTime) {
        if let Handle::Recorded(node) = self.handle() {
            node.close(Some(end.into()));
        }
    }
}
