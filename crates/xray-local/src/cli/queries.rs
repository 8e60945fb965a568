//! The commands that ask a running program.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use serde_json::Value;
use serde_json::value::RawValue;
use xray_local::{Store, render, render_html};

use super::args::{Action, Form, Query};
use super::client::{Client, Failure};
use super::serve::style;

/// The exit code if no program runs.
const NOT_REACHABLE: u8 = 3;

/// Bytes of one request of `import`.
const BATCH: usize = 8 << 20;

pub(crate) fn run(query: &Query) -> ExitCode {
    let result = Client::connect(query.store.as_deref()).and_then(|client| match &query.action {
        Action::List => list(&client, query),
        Action::Show(id) => show(&client, id, query),
        Action::Export => export(&client, query),
        Action::Import(file) => import(&client, file),
    });
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("xray-local: {failure}");
            match failure {
                Failure::NotReachable(..) => ExitCode::from(NOT_REACHABLE),
                Failure::Refused(_) => ExitCode::FAILURE,
            }
        }
    }
}

/// Prints to standard output. Whether the reader has gone makes no difference.
fn print(bytes: impl AsRef<[u8]>) {
    _ = io::stdout().write_all(bytes.as_ref());
}

/// Prints the latest traces. Returns whether there are any.
fn list(client: &Client, query: &Query) -> Result<bool, Failure> {
    let limit = query.limit.to_string();
    let parameters = [("filter", &*query.filter), ("timeRange", &*query.since), ("limit", &*limit)];
    let page = parse(&client.get("/api/traces", &parameters)?)?;
    let rows = page["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names = page["names"].as_array().map(Vec::as_slice).unwrap_or_default();
    let name = |index: &Value| index.as_u64().and_then(|index| names.get(index as usize)).and_then(Value::as_str);
    for row in rows {
        let services: Vec<&str> = row["services"].as_array().into_iter().flatten().filter_map(&name).collect();
        if query.form == Form::Json {
            let mut row = row.clone();
            row["services"] = services.into();
            row["name"] = name(&row["name"]).into();
            print(format!("{row}\n"));
            continue;
        }
        let millis = row["response"].as_f64().unwrap_or_default() / 1_000.0;
        let flags = row["flags"].as_u64().unwrap_or_default();
        let state = match flags {
            _ if flags & 1 != 0 => "fault",
            _ if flags & 4 != 0 => "throttle",
            _ if flags & 2 != 0 => "error",
            _ if flags & 8 != 0 => "open",
            _ => "ok",
        };
        let status = row["status"].as_u64().filter(|status| *status > 0).map(|status| status.to_string());
        let request = [row["method"].as_str(), row["url"].as_str()].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let request = if request.is_empty() { name(&row["name"]).unwrap_or_default().to_owned() } else { request };
        let line = format!(
            "{}  {millis:>10.1} ms  {:>3} {state:<8}  {request}  ({})",
            row["id"].as_str().unwrap_or_default(),
            status.unwrap_or_default(),
            services.join(", "),
        );
        // Names are untrusted and must not reach a terminal as control sequences.
        let line: String = line.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        print(line + "\n");
    }
    Ok(!rows.is_empty())
}

/// Prints one trace. Returns whether it exists.
fn show(client: &Client, id: &str, query: &Query) -> Result<bool, Failure> {
    let exported = client.get("/api/export", &[("id", id)])?;
    let mut documents = Vec::new();
    for line in exported.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let trace = parse(line)?;
        documents
            .extend(trace["documents"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned));
    }
    if documents.is_empty() {
        eprintln!("xray-local: there is no trace {id}");
        return Ok(false);
    }
    match &query.form {
        Form::Raw => documents.iter().for_each(|document| print(format!("{document}\n"))),
        Form::Json => {
            let documents: Vec<Value> =
                documents.iter().map(|document| serde_json::from_str(document).unwrap_or_default()).collect();
            print(format!("{}\n", serde_json::json!({ "trace_id": id, "documents": documents })));
        }
        Form::Text => {
            let style = style(query.no_color, query.width);
            join(&documents).traces().iter().for_each(|trace| print(render(trace, &style)));
        }
        Form::Html(file) => {
            let page: String = join(&documents).traces().iter().map(render_html).collect();
            let failed = |error| Failure::Refused(format!("cannot write {}: {error}", file.display()));
            fs::write(file, page).map_err(failed)?;
        }
    }
    Ok(true)
}

/// Returns a store with the documents of a trace.
fn join(documents: &[String]) -> Store {
    let store = Store::new();
    for document in documents {
        // Each was accepted before.
        _ = store.accept(format!("{{\"format\":\"json\",\"version\":1}}\n{document}").as_bytes());
    }
    store
}

/// Prints traces as JSON lines. Returns whether there are any.
fn export(client: &Client, query: &Query) -> Result<bool, Failure> {
    let exported = client.get("/api/export", &[("filter", &query.filter)])?;
    print(&exported);
    Ok(!exported.is_empty())
}

/// Sends the documents of a file. Returns whether all of them were accepted.
fn import(client: &Client, file: &Path) -> Result<bool, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::Refused(format!("cannot read {}: {error}", file.display()));
    let text = fs::read_to_string(file).map_err(|error| failed(&error))?;
    let (mut accepted, mut refused) = (0, 0);
    let mut batch = String::new();
    let mut send = |batch: &mut String| -> Result<(), Failure> {
        let result = parse(&client.post("/api/import", batch.as_bytes())?)?;
        accepted += result["accepted"].as_u64().unwrap_or_default();
        refused += result["refused"].as_u64().unwrap_or_default();
        batch.clear();
        Ok(())
    };
    for value in serde_json::Deserializer::from_str(&text).into_iter::<&RawValue>() {
        let value = value.map_err(|error| failed(&error))?.get();
        if !batch.is_empty() && batch.len() + value.len() > BATCH {
            send(&mut batch)?;
        }
        batch.push_str(value);
        batch.push('\n');
    }
    if !batch.is_empty() {
        send(&mut batch)?;
    }
    eprintln!("{accepted} documents imported, {refused} refused");
    Ok(refused == 0 && accepted > 0)
}

fn parse(body: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(body).map_err(|error| Failure::Refused(format!("invalid response: {error}")))
}
