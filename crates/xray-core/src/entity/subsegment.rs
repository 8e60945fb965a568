//! Subsegments: parts of the work, and calls to other services.

use super::body::Namespace;
use super::either::Entity;
use super::handle::Handle;
use super::methods::shared_methods;
use super::owner::{Owner, Share};
use crate::aws::Aws;
use crate::flag::Flag;
use crate::http::{HttpRequest, HttpResponse};
use crate::id::EntityId;
use crate::sql::Sql;
use crate::to_exception::ToException;

/// A part of the work for a request, or a call to another service.
///
/// [`capture`](crate::capture) and [`in_subsegment`](crate::FutureExt::in_subsegment) begin, enter and close one around
/// a function or a future; client adapters do so for each call. [`Segment::subsegment`](crate::Segment::subsegment)
/// leaves all three to you:
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
/// # segment.close();
/// # assert_eq!(traces.take().single().tree(), "shop\n  copy files [files=12]\n");
/// ```
///
/// Clones refer to the same subsegment. The first [`close`](Subsegment::close) closes it. Without a `close`, it closes
/// when its last handle, guard or future is dropped; if a panic drops it, it is recorded as a fault.
///
/// Every method is safe to call at any time: if the trace is not sampled, the SDK is disabled or the subsegment is
/// closed, it does nothing.
///
/// # A call to another service
///
/// For a protocol that no adapter knows, describe the call and pass the trace header on:
///
/// ```
/// use xray_core::{Namespace, http::{HttpRequest, HttpResponse, flags_of_status}};
///
/// # struct Response { status: u16 }
/// # fn send(_: &str, _trace_header: Option<String>) -> Response { Response { status: 503 } }
/// # let (recorder, traces) = xray_core::Recorder::in_memory();
/// # let segment = recorder.begin("shop");
/// let url = "https://inventory.example.com/reserve";
/// let call = segment.subsegment("inventory.example.com");
/// call.set_namespace(Namespace::Remote).set_http_request(&HttpRequest::new("POST", url).traced(true));
///
/// let response = send(url, call.trace_header().map(|header| header.to_string()));
///
/// call.set_http_response(&HttpResponse::new(response.status));
/// for flag in flags_of_status(response.status) {
///     call.mark(*flag);
/// }
/// call.close();
/// # segment.close();
/// # assert_eq!(traces.take().single().tree(), "shop\n  inventory.example.com remote 503 fault\n");
/// ```
#[derive(Clone)]
pub struct Subsegment {
    owner: Owner,
}

shared_methods!(Subsegment);

impl Subsegment {
    /// The handle of a subsegment that has just begun.
    pub(crate) fn begun(handle: Handle) -> Subsegment {
        Subsegment { owner: Owner::first(handle) }
    }

    pub(crate) fn handle(&self) -> &Handle {
        self.owner.handle()
    }

    pub(crate) fn share(&self) -> Option<Share> {
        self.owner.share()
    }

    /// Records the error of a result, if it has one.
    pub(crate) fn record_failure<T, E: ToException<M>, M>(&self, flag: Flag, result: &Result<T, E>) {
        if let Err(error) = result {
            self.handle().describe(flag, error);
        }
    }

    /// Returns the subsegment as an [`Entity`], which does not keep it open.
    pub fn entity(&self) -> Entity {
        Entity::new(self.handle().clone())
    }

    /// Sets the kind of call (default: none, the work of this service itself).
    ///
    /// Calling this again replaces the namespace.
    pub fn set_namespace(&self, namespace: Namespace) -> &Subsegment {
        self.handle().edit(|body| body.set_namespace(namespace));
        self
    }

    /// Sets whether the called service sends a segment of its own (default: no). X-Ray then connects it with this call.
    ///
    /// Calling this again replaces the value. For HTTP calls, use
    /// [`HttpRequest::traced`].
    pub fn set_traced(&self, traced: bool) -> &Subsegment {
        self.handle().edit(|body| body.set_traced(traced));
        self
    }

    /// Sets the HTTP request of the call.
    ///
    /// Calling this again replaces the block.
    pub fn set_http_request(&self, request: &HttpRequest<'_>) -> &Subsegment {
        self.handle().edit(|body| body.set_http_request(|out| request.write(out)));
        self
    }

    /// Sets the HTTP response of the call.
    ///
    /// It sets no flags: use [`mark`](Subsegment::mark) with
    /// [`flags_of_status`](crate::http::flags_of_status). Calling this again replaces the block.
    pub fn set_http_response(&self, response: &HttpResponse) -> &Subsegment {
        self.handle().edit(|body| body.set_http_response(|out| response.write(out)));
        self
    }

    /// Sets the database query of the call.
    ///
    /// The text of the query is recorded only if `AWS_XRAY_COLLECT_SQL_QUERIES` is on, and without its literals.
    /// Calling this again replaces the block.
    ///
    /// ```
    /// # let (recorder, _traces) = xray_core::Recorder::in_memory();
    /// # let segment = recorder.begin("shop");
    /// use xray_core::{Namespace, Sql};
    ///
    /// let query = segment.subsegment("shop@db.example.com");
    /// let sql = Sql::from_url("postgres://app:secret@db.example.com:5432/shop"); // the password is not recorded
    /// query.set_namespace(Namespace::Remote).set_sql(&sql.query("SELECT name FROM items WHERE id = 7"));
    /// query.close();
    /// ```
    pub fn set_sql(&self, sql: &Sql) -> &Subsegment {
        self.describe_query(sql, sql.text());
        self
    }

    /// Sets the database query of the call, with a text that is not copied.
    pub(crate) fn describe_query(&self, sql: &Sql, text: Option<&str>) {
        let Some(node) = self.handle().recorded() else { return };
        let query = text.filter(|_| node.pipeline().collects_sql).and_then(|text| sql.sanitised(text));
        node.edit(|body| body.set_sql(|out| sql.write(out, query.as_deref())));
    }

    /// Whether texts of queries are recorded here.
    pub(crate) fn collects_query(&self) -> bool {
        cfg!(feature = "sql-text") && self.handle().recorded().is_some_and(|node| node.pipeline().collects_sql)
    }

    /// Sets the operation of an AWS call.
    ///
    /// The adapter `xray-aws-sdk` does this. Calling this again replaces the block.
    pub fn set_aws(&self, aws: &Aws) -> &Subsegment {
        self.handle().edit(|body| body.set_aws(|out| aws.write(out)));
        self
    }

    /// Adds a subsegment that had to end before this one could begin. The first 100 are kept.
    pub fn add_precursor(&self, id: EntityId) -> &Subsegment {
        self.handle().edit(|body| body.add_precursor(id));
        self
    }

    /// Closes the subsegment.
    ///
    /// It is sent with its segment; in traces of many subsegments, and after its segment has closed, on its own.
    /// Closing a closed subsegment does nothing.
    pub fn close(&self) {
        if let Handle::Recorded(node) = self.handle() {
            node.close(None);
        }
    }

    /// Closes the subsegment as of `end`, for work that ended earlier.
    ///
    /// An `end` before the start is replaced by the start. Closing a closed subsegment does nothing.
    pub fn close_at(&self, end: std::time::SystemTime) {
        if let Handle::Recorded(node) = self.handle() {
            node.close(Some(end.into()));
        }
    }
}
