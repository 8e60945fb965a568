//! Fields with the names of OpenTelemetry's conventions, which make up members of the document together.

use xray_core::grpc::GrpcStatus;
use xray_core::http::{HttpRequest, HttpResponse, flags_of_status};
use xray_core::{Entity, Exception, Flag, Namespace, Segment, Sql, Subsegment};

use crate::fields::Value;

/// What the fields of one span say, as far as they are known.
#[derive(Default)]
pub(crate) struct Members {
    /// `otel.kind`: whether the span is a call to another service.
    is_call: Option<bool>,
    failed: bool,
    failure: Option<String>,
    failure_type: Option<String>,
    grpc_status: Option<String>,
    host: Option<String>,
    port: Option<u16>,
    database: Database,
    http: Http,
    any: bool,
}

#[derive(Default)]
struct Database {
    system: Option<String>,
    name: Option<String>,
    user: Option<String>,
    query: Option<String>,
}

#[derive(Default)]
struct Http {
    method: Option<String>,
    url: Option<String>,
    user_agent: Option<String>,
    client: Option<String>,
    status: Option<u16>,
    length: Option<u64>,
}

impl Members {
    /// Takes a field that belongs to a member, or that may hold a secret and is left out. Returns `false` for others.
    pub(crate) fn take(&mut self, name: &str, value: Value<'_>) -> bool {
        // Names of the application have no dot, except a few.
        let Some((family, _)) = name.split_once('.') else {
            return name == "error" && self.take_error(value);
        };
        let text = |value: Value<'_>| Some(value.text().into_owned());
        match name {
            // The name of the subsegment, which has begun.
            "otel.name" => {}
            "otel.kind" => {
                let kind = value.text().to_ascii_lowercase();
                self.is_call = Some(kind.contains("client") || kind.contains("producer"));
            }
            "otel.status_code" => self.failed |= value.text().to_ascii_lowercase().contains("error"),
            "otel.status_message" | "otel.status_description" | "exception.message" => self.failure = text(value),
            "exception.type" | "error.type" => self.failure_type = text(value),
            "db.system" | "db.system.name" => self.database.system = text(value),
            "db.name" | "db.namespace" => self.database.name = text(value),
            "db.user" => self.database.user = text(value),
            // The driver's spans have no names of OpenTelemetry.
            "mysql_async.connection.id" => self.database.system = Some("mysql".to_owned()),
            "mysql_async.query.sql" => self.database.query = text(value),
            "db.statement" | "db.query.text" => self.database.query = text(value),
            "server.address" | "net.peer.name" => self.host = text(value),
            "server.port" | "net.peer.port" => self.port = value.number().and_then(|port| port.try_into().ok()),
            "http.method" | "http.request.method" => self.http.method = text(value),
            "http.url" | "url.full" => self.http.url = text(value),
            "http.user_agent" | "user_agent.original" => self.http.user_agent = text(value),
            "http.client_ip" | "client.address" => self.http.client = text(value),
            "http.status_code" | "http.response.status_code" => {
                self.http.status = value.number().and_then(|status| status.try_into().ok());
            }
            "http.response.body.size" | "http.response_content_length" => self.http.length = value.number(),
            "rpc.grpc.status_code" => self.grpc_status = text(value),
            "db.operation"
            | "db.operation.name"
            | "db.collection.name"
            | "db.sql.table"
            | "db.response.status_code"
            | "db.response.returned_rows"
            | "http.route"
            | "http.flavor"
            | "http.scheme" => return false,
            // Parameters of queries, connection strings, query strings, headers: they may hold secrets.
            _ => return matches!(family, "db" | "http" | "url" | "exception" | "mysql_async" | "otel"),
        }
        self.any = true;
        true
    }

    /// Takes `error = true`, and `error` with a text.
    fn take_error(&mut self, value: Value<'_>) -> bool {
        match value {
            Value::Bool(failed) => self.failed |= failed,
            other => self.failure = Some(other.text().into_owned()),
        }
        self.any = true;
        true
    }

    /// Whether nothing was taken.
    pub(crate) fn is_empty(&self) -> bool {
        !self.any
    }

    /// Adds what was recorded later.
    pub(crate) fn merge(&mut self, later: Members) {
        fn newer<T>(field: &mut Option<T>, later: Option<T>) {
            if later.is_some() {
                *field = later;
            }
        }
        let Members { is_call, failed, failure, failure_type, grpc_status, host, port, database, http, any } = later;
        newer(&mut self.is_call, is_call);
        self.failed |= failed;
        newer(&mut self.failure, failure);
        newer(&mut self.failure_type, failure_type);
        newer(&mut self.grpc_status, grpc_status);
        newer(&mut self.host, host);
        newer(&mut self.port, port);
        let Database { system, name, user, query } = database;
        newer(&mut self.database.system, system);
        newer(&mut self.database.name, name);
        newer(&mut self.database.user, user);
        newer(&mut self.database.query, query);
        let Http { method, url, user_agent, client, status, length } = http;
        newer(&mut self.http.method, method);
        newer(&mut self.http.url, url);
        newer(&mut self.http.user_agent, user_agent);
        newer(&mut self.http.client, client);
        newer(&mut self.http.status, status);
        newer(&mut self.http.length, length);
        self.any |= any;
    }

    pub(crate) fn write_to_subsegment(&self, subsegment: &Subsegment) {
        let sql = self.sql();
        let is_call = self.is_call.unwrap_or(sql.is_some());
        if is_call {
            subsegment.set_namespace(Namespace::Remote);
        }
        if let Some(sql) = sql {
            subsegment.set_sql(&sql);
        }
        if let Some(request) = self.request() {
            subsegment.set_http_request(&request);
        }
        if let Some(response) = self.response() {
            subsegment.set_http_response(&response);
        }
    }

    pub(crate) fn write_to_segment(&self, segment: &Segment) {
        if let Some(request) = self.request() {
            segment.set_http_request(&request);
        }
        if let Some(response) = self.response() {
            segment.set_http_response(&response);
        }
    }

    /// A query, where the database is known. Its text is recorded only if queries are collected, without literals.
    fn sql(&self) -> Option<Sql> {
        let system = self.database.system.as_deref()?;
        let host = self.host.as_deref().unwrap_or_default();
        let name = self.database.name.as_deref().unwrap_or_default();
        let sql = Sql::to(system, host, self.port, name, self.database.user.as_deref());
        Some(match &self.database.query {
            Some(query) => sql.query(query.as_str()),
            None => sql,
        })
    }

    fn request(&self) -> Option<HttpRequest<'_>> {
        let (method, url) = (self.http.method.as_deref()?, self.http.url.as_deref().unwrap_or_default());
        let mut request = HttpRequest::new(method, url);
        if let Some(user_agent) = &self.http.user_agent {
            request = request.user_agent(user_agent);
        }
        if let Some(client) = &self.http.client {
            request = request.client_ip(client);
        }
        Some(request)
    }

    fn response(&self) -> Option<HttpResponse> {
        Some(HttpResponse::new(self.http.status?).content_length(self.http.length))
    }

    /// Marks the flags of the status, and records the exception.
    pub(crate) fn write_failure(&self, entity: &Entity) {
        let of_http = self.http.status.map_or(&[][..], flags_of_status);
        let of_grpc = self.grpc_status.as_deref().and_then(|status| GrpcStatus::from_header(status.as_bytes()));
        let of_grpc = of_grpc.map_or(&[][..], |status| status.flags());
        for flag in of_http.iter().chain(of_grpc).chain(self.failed.then_some(&Flag::Fault)) {
            entity.mark(*flag);
        }
        if let Some(exception) = self.exception() {
            entity.fault(exception);
        }
    }

    fn exception(&self) -> Option<Exception> {
        if self.failure.is_none() && self.failure_type.is_none() {
            return None;
        }
        let mut exception = Exception::from_text(self.failure.as_deref().unwrap_or_default());
        if let Some(kind) = &self.failure_type {
            exception = exception.with_kind(kind.as_str());
        }
        // Messages of databases quote the values of a query.
        Some(if self.database.system.is_some() { exception.holding_values() } else { exception })
    }
}
