//! Parses a server and its requests from JSON.

use serde_json::Value;

use crate::steps::{self, Members, ParseStepsError, Step};

/// A server, and the requests made to it.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) name: String,
    /// Hosts that match this pattern name their segments.
    pub(super) pattern: Option<String>,
    pub(super) routes: Vec<Route>,
    pub(super) requests: Vec<Request>,
}

/// The behaviour of a server for one method and path.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) steps: Vec<Step>,
    pub(super) call: Option<Call>,
    /// The type and message of the error with which it fails.
    pub(super) throw: Option<(String, String)>,
    pub(super) status: u16,
    pub(super) body: String,
}

/// A call to a service that sends a given response.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) host: String,
    pub(super) path: String,
    pub(super) method: String,
    pub(super) answer: u16,
    pub(super) answer_body: String,
    /// Whether no service listens.
    pub(super) refuse: bool,
    /// Whether the client marks the service as traced.
    pub(super) traced: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Scenario {
    pub(super) fn parse(input: &Value) -> Result<Scenario, ParseStepsError> {
        let mut m = Members::new(input, "input")?;
        let scenario = Scenario {
            name: m.text("name")?,
            pattern: m.optional_text("dynamic_pattern")?,
            routes: m.each("routes", route)?,
            requests: m.each("requests", request)?,
        };
        m.finish()?;
        Ok(scenario)
    }

    /// Whether any route makes a call.
    pub(super) fn calls(&self) -> bool {
        self.routes.iter().any(|route| route.call.is_some())
    }
}

fn route(m: &mut Members) -> Result<Route, ParseStepsError> {
    let body = if m.has("steps") { m.list("steps")? } else { Vec::new() };
    let throw = match m.take("throw") {
        None => None,
        Some(throw) => {
            let mut m = Members::new(&throw, &format!("{}.throw", m.place()))?;
            let error = (m.text("type")?, m.text("message")?);
            m.finish()?;
            Some(error)
        }
    };
    let call = match m.take("http_out") {
        None => None,
        Some(out) => {
            let mut m = Members::new(&out, &format!("{}.http_out", m.place()))?;
            let call = call(&mut m)?;
            m.finish()?;
            Some(call)
        }
    };
    Ok(Route {
        method: m.text("method")?,
        path: m.text("path")?,
        steps: steps::parse(&body)?,
        call,
        throw,
        status: m.status("status")?,
        body: m.optional_text("body")?.unwrap_or_default(),
    })
}

fn call(m: &mut Members) -> Result<Call, ParseStepsError> {
    Ok(Call {
        host: m.text("host")?,
        path: m.text("path")?,
        method: m.text("method")?,
        answer: m.status("answer")?,
        answer_body: m.optional_text("answer_body")?.unwrap_or_default(),
        refuse: m.switch("refuse")?,
        traced: m.switch("downstream_xray_enabled")?,
    })
}

fn request(m: &mut Members) -> Result<Request, ParseStepsError> {
    let headers = m.headers()?;
    let body = m.optional_text("body")?.unwrap_or_default();
    Ok(Request { method: m.text("method")?, path: m.text("path")?, headers, body })
}
