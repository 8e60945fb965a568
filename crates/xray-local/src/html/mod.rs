//! A trace as one HTML file that opens offline: the waterfall of the page, without its scripts.

mod date;
mod text;

use std::collections::HashMap;
use std::fmt::Write;
use std::time::Duration;

use date::utc;
use text::{Escaped, indented};

use crate::trace::{Entity, Http, Node, Outcome, Service, Trace, waited_for};
use crate::waterfall::duration_text;

/// The colours and fonts of the page, and the rules of this file.
const STYLE: &str = concat!(include_str!("../../ui/styles/tokens.css"), include_str!("page.css"));

/// There is no script, and nothing is loaded.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// Levels of the tree that are indented. Deeper ones would leave no room for names.
const MAX_INDENT: usize = 24;

/// Colours of services.
const COLORS: usize = 8;

/// Renders a trace as an HTML file that opens offline: a waterfall whose rows open to show everything that was recorded.
///
/// The file has no script and loads nothing. What the trace contains is text in it, whatever it looks like.
pub fn render_html(trace: &Trace) -> String {
    let mut page = Page { trace, out: String::new(), colors: HashMap::new() };
    page.all();
    page.out
}

struct Page<'a> {
    trace: &'a Trace,
    out: String,
    /// The colour of each service, in the order in which they occur.
    colors: HashMap<&'a str, usize>,
}

/// Appends formatted text. Writing to a string cannot fail.
macro_rules! put {
    ($page:expr, $($format:tt)*) => { _ = write!($page.out, $($format)*) };
}

impl<'a> Page<'a> {
    fn all(&mut self) {
        let Some(root) = self.trace.nodes().next() else { return };
        let title = root.http().map(request).filter(|request| !request.is_empty());
        let title = title.unwrap_or_else(|| root.name().to_owned());
        put!(
            self,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\" \
             content=\"{POLICY}\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"color-scheme\" \
             content=\"light dark\">\n<title>{} · {}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n",
            Escaped(&title),
            self.trace.id(),
        );
        self.header(root, &title);
        self.services();
        self.waterfall();
        put!(
            self,
            "<footer><i></i>the critical path: what the response waited for. Written by xray-local {}.</footer>\n\
             </main>\n</body>\n</html>\n",
            env!("CARGO_PKG_VERSION")
        );
    }

    fn header(&mut self, root: Node<'_>, title: &str) {
        let (class, status) = status(&root);
        let took = duration_text(self.trace.duration());
        put!(self, "<header><h1><bdi>{}</bdi></h1><span class=\"total\">{took}</span>", Escaped(title));
        put!(self, "<span class=\"tag {class}\">{status}</span></header>\n");
        let entities = self.trace.len();
        let noun = if entities == 1 { "entity" } else { "entities" };
        let start = utc(root.start());
        put!(self, "<p class=\"about\"><code>{}</code> · {start} · {entities} {noun}", self.trace.id());
        let open = self.trace.nodes().filter(|node| node.is_in_progress()).count();
        let orphans = self.trace.nodes().filter(|node| node.is_orphan()).count();
        for (count, text) in [(open, "in progress"), (orphans, "with a missing parent")] {
            if count > 0 {
                put!(self, " · {count} {text}");
            }
        }
        self.out.push_str("</p>\n");
    }

    /// Writes the services in the order in which they occur, and gives each a colour.
    fn services(&mut self) {
        let mut counts: Vec<(&'a str, usize)> = Vec::new();
        for node in self.trace.nodes().filter(|node| node.is_segment()) {
            let name = node.entity().name();
            let next = self.colors.len();
            let known = *self.colors.entry(name).or_insert(next);
            match counts.get_mut(known) {
                Some((_, count)) => *count += 1,
                None => counts.push((name, 1)),
            }
        }
        self.out.push_str("<ul class=\"services\">");
        for (color, (name, count)) in counts.into_iter().enumerate() {
            let count = if count > 1 { format!("<span>×{count}</span>") } else { String::new() };
            let color = color % COLORS;
            put!(self, "<li class=\"s{color}\"><i class=\"dot\"></i><bdi>{}</bdi>{count}</li>", Escaped(name));
        }
        self.out.push_str("</ul>\n");
    }

    fn waterfall(&mut self) {
        self.out.push_str("<div class=\"waterfall\">\n<div class=\"axis\"><span>Name</span><span>Duration</span>");
        self.out.push_str("<span class=\"ticks\">");
        for quarter in 0..=4 {
            put!(self, "<span>{}</span>", duration_text(self.trace.duration() * quarter / 4));
        }
        self.out.push_str("</span></div>\n");
        let own = waited_for(self.trace);
        // The service of each level.
        let mut above: Vec<usize> = Vec::new();
        for node in self.trace.nodes() {
            above.truncate(node.depth());
            let outer = above.last().copied().unwrap_or_default();
            let color = match node.is_segment() {
                true => self.colors.get(node.entity().name()).copied().unwrap_or_default(),
                false => outer,
            };
            above.push(color);
            self.row(node, color % COLORS, own[node.index()]);
        }
        self.out.push_str("</div>\n");
    }

    fn row(&mut self, node: Node<'_>, color: usize, own: Duration) {
        let kind = if node.is_segment() {
            "segment"
        } else if Service::is_call(&node) {
            "call"
        } else {
            "part"
        };
        let critical = if own.is_zero() { "" } else { " critical" };
        let depth = node.depth().min(MAX_INDENT);
        put!(
            self,
            "<details class=\"s{color} {kind}{critical}\"><summary><span class=\"name\" style=\"--depth:{depth}\">"
        );
        put!(self, "<i class=\"dot\"></i><bdi>{}</bdi>", Escaped(node.name()));
        let what = node.operation().or(node.namespace());
        if let Some(what) = what {
            put!(self, "<em>{}</em>", Escaped(what));
        }
        let (class, status) = status(&node);
        if class != "ok" || !status.starts_with("ok") {
            put!(self, "<span class=\"tag {class}\">{status}</span>");
        }
        let time = node.duration().map_or_else(|| "…".to_owned(), duration_text);
        let bar = if class == "ok" { "" } else { class };
        let total = self.trace.duration().as_secs_f64();
        let share =
            |time: Duration| if total > 0.0 { 100.0 * (time.as_secs_f64() / total).clamp(0.0, 1.0) } else { 0.0 };
        let from = share(node.offset());
        let size = node.duration().map_or(100.0, share).min(100.0 - from);
        put!(self, "</span><span class=\"time\">{time}</span><span class=\"track\"><i class=\"bar {bar}\" ");
        put!(self, "style=\"--from:{from:.3};--size:{size:.3}\"></i></span></summary>");
        self.facts(node, own);
        self.out.push_str("</details>\n");
    }

    fn facts(&mut self, node: Node<'_>, own: Duration) {
        self.out.push_str("<dl class=\"facts\">");
        self.fact("Id", &node.id().to_string());
        if let Some(parent) = node.parent_id() {
            let missing = if node.is_orphan() { " (missing)" } else { "" };
            self.fact("Parent", &format!("{parent}{missing}"));
        }
        let start = utc(node.start());
        self.fact("Start", &format!("+{}, {start} by its own clock", duration_text(node.offset())));
        if let Some(skew) = node.clock_skew() {
            self.fact("Clock", &format!("moved by {}: behind the caller's", duration_text(skew)));
        }
        if !own.is_zero() {
            self.fact("Waited for", &format!("{} without its children", duration_text(own)));
        }
        for (name, value) in [("Type", node.origin()), ("Operation", node.operation()), ("User", node.user())] {
            if let Some(value) = value {
                self.fact(name, value);
            }
        }
        if let Some(http) = node.http() {
            self.fact("HTTP", &request(http));
            for (name, value) in [("User agent", &http.user_agent), ("Client", &http.client_ip)] {
                if let Some(value) = value {
                    self.fact(name, value);
                }
            }
        }
        if let Some(sql) = node.sql() {
            for (name, value) in [("Query", &sql.query), ("Database", &sql.url)] {
                if let Some(value) = value {
                    self.fact(name, value);
                }
            }
        }
        for (key, value) in node.annotations() {
            put!(self, "<dt><bdi>{}</bdi></dt><dd><bdi>{}</bdi></dd>", Escaped(key), Escaped(value));
        }
        for exception in node.exceptions() {
            let text = [&*exception.kind, &*exception.message];
            let text: Vec<&str> = text.into_iter().filter(|text| !text.is_empty()).collect();
            put!(self, "<dt>Exception</dt><dd class=\"fault\"><bdi>{}</bdi></dd>", Escaped(&text.join(": ")));
        }
        put!(self, "<dt>JSON</dt><dd><pre>{}</pre></dd></dl>", Escaped(&indented(node.json())));
    }

    fn fact(&mut self, name: &str, value: &str) {
        put!(self, "<dt>{name}</dt><dd><bdi>{}</bdi></dd>", Escaped(value));
    }
}

fn request(http: &Http) -> String {
    let parts: Vec<&str> = [&http.method, &http.url].into_iter().filter_map(|part| part.as_deref()).collect();
    parts.join(" ")
}

/// Returns the class and the text of a status.
fn status(entity: &Entity) -> (&'static str, String) {
    let class = match entity.outcome() {
        Outcome::Ok if entity.is_in_progress() => return ("open", "in progress".to_owned()),
        Outcome::Ok => "ok",
        Outcome::Error => "error",
        Outcome::Throttle => "throttle",
        Outcome::Fault => "fault",
    };
    match entity.http().and_then(|http| http.status) {
        Some(code) if class == "ok" => (class, code.to_string()),
        Some(code) => (class, format!("{code} {class}")),
        None => (class, class.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::store::Store;

    const HEAD: &str = r#""trace_id":"1-5759e988-bd862e3fe1be46a994272793""#;

    fn page(documents: &[String]) -> String {
        let store = Store::new();
        documents.iter().for_each(|document| store.accept_document(document).unwrap());
        render_html(&store.traces()[0])
    }

    /// Returns the names of all elements, and of all attributes.
    fn markup(page: &str) -> (BTreeSet<&str>, BTreeSet<&str>) {
        let (before, rest) = page.split_once("<style>").unwrap();
        let parts = [before, rest.split_once("</style>").unwrap().1];
        let tags = parts.into_iter().flat_map(|part| part.split('<').skip(1));
        let tags: Vec<&str> = tags.map(|tag| tag.split('>').next().unwrap()).collect();
        let name = |tag: &&'_ str| !tag.starts_with('/');
        let elements = tags.iter().filter(|tag| name(tag)).map(|tag| tag.split(' ').next().unwrap());
        let attributes = tags.iter().flat_map(|tag| tag.split('"').step_by(2)).flat_map(|part| part.split(' ').skip(1));
        (
            elements.collect(),
            attributes.map(|part| part.trim_end_matches('=')).filter(|part| !part.is_empty()).collect(),
        )
    }

    #[test]
    fn what_a_trace_contains_is_text() {
        let evil = r#"</pre></style><script>alert(1)</script>\u0000\" onclick=\"x"#;
        let members = format!(
            r#""start_time":1,"end_time":2,"fault":true,"user":"{evil}","namespace":"{evil}","origin":"{evil}",
            "aws":{{"operation":"{evil}"}},"sql":{{"sanitized_query":"{evil}","url":"{evil}"}},
            "http":{{"request":{{"method":"{evil}","url":"javascript:{evil}","user_agent":"{evil}","client_ip":"{evil}"}}}},
            "annotations":{{"{evil}":"{evil}"}},"metadata":{{"{evil}":["{evil}"]}},
            "cause":{{"exceptions":[{{"type":"{evil}","message":"{evil}"}}]}}"#
        );
        let child = format!(r#"{{"id":"00000000000000bb","name":"{evil}",{members}}}"#);
        let segment =
            format!(r#"{{{HEAD},"id":"00000000000000aa","name":"{evil}",{members},"subsegments":[{child}]}}"#);
        let page = page(&[segment]);
        assert!(page.contains("&lt;script&gt;alert(1)") && page.contains(POLICY) && !page.contains('\0'));
        let (elements, attributes) = markup(&page);
        let known = "!doctype bdi body code dd details dl dt em footer h1 head header html i li main meta p pre span \
                     summary title ul div";
        let known: BTreeSet<&str> = known.split_whitespace().collect();
        assert_eq!(elements.difference(&known).collect::<Vec<_>>(), Vec::<&&str>::new());
        let known = "html charset class content http-equiv lang name style";
        let known: BTreeSet<&str> = known.split_whitespace().collect();
        assert_eq!(attributes.difference(&known).collect::<Vec<_>>(), Vec::<&&str>::new());
    }

    #[test]
    fn each_entity_is_a_row_with_its_bar() {
        let open = r#"{"id":"00000000000000bb","name":"audit","start_time":1.5,"in_progress":true}"#;
        let call = r#"{"id":"00000000000000cc","name":"stock","namespace":"remote","start_time":1.25,"end_time":1.5}"#;
        let times = r#""start_time":1,"end_time":2,"http":{"response":{"status":500}},"fault":true"#;
        let segment =
            format!(r#"{{{HEAD},"id":"00000000000000aa","name":"shop",{times},"subsegments":[{call},{open}]}}"#);
        let page = page(&[segment]);
        let rows: Vec<&str> = page.lines().flat_map(|line| line.split("<details ").skip(1)).collect();
        for (row, parts) in rows.iter().zip([
            &[
                "s0 segment critical",
                "--depth:0",
                "500 fault",
                "bar fault",
                "--from:0.000;--size:100.000",
                "750 ms without",
            ][..],
            &["s0 call critical", "--depth:1", "<em>remote</em>", "--from:25.000;--size:25.000"],
            &["s0 part\"", "--depth:1", "in progress", "bar open", "--from:50.000;--size:50.000"],
        ]) {
            assert!(parts.iter().all(|part| row.contains(part)), "{parts:?}: {row}");
        }
        assert_eq!(rows.len(), 3);
    }

    #[test]
    fn an_extreme_trace_is_still_rendered() {
        let times = [r#""start_time":1e300"#, r#""start_time":5,"end_time":4"#, r#""start_time":0,"end_time":1e300"#];
        for times in times {
            let page = page(&[format!(
                r#"{{{HEAD},"id":"00000000000000aa","name":"","user":"{}",{times}}}"#,
                "u".repeat(60_000)
            )]);
            assert!(page.ends_with("</html>\n") && !page.contains("NaN"), "{times}");
        }
    }
}
