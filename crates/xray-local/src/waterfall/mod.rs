//! A trace as a waterfall: a header, then one row with a bar per entity, followed by dim lines with its details.

mod bar;
mod rows;

use std::io::Write;
use std::time::Duration;

pub(crate) use bar::duration_text;
use bar::{Bar, Scale};
use rows::{Alike, Content, Row, rows};

use crate::canvas::{Canvas, Ink, cells, fit};
use crate::style::Style;
use crate::trace::{Entity, Outcome};
use crate::trace::{Node, Trace};

/// Returns a callback for [`on_trace`](crate::ReceiverBuilder::on_trace) that prints each trace as a waterfall.
///
/// Errors of the output are ignored, because they are no reason to stop receiving.
///
/// ```
/// use xray_local::{Receiver, Style, printer};
///
/// let receiver = Receiver::builder().on_trace(printer(std::io::stderr(), Style::plain())).bind("127.0.0.1:0")?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn printer(mut out: impl Write + Send + 'static, style: Style) -> impl FnMut(&Trace) + Send + 'static {
    move |trace| {
        // A single write per waterfall, so that the program's own output does not end up in between.
        let waterfall = render(trace, &style) + "\n";
        _ = out.write_all(waterfall.as_bytes()).and_then(|()| out.flush());
    }
}

/// Renders a trace as text. Each line ends with a newline.
///
/// Control characters are replaced, so nothing in the trace can break a line or control the terminal. The style limits
/// the width of a line, the depth of the tree and the number of rows.
pub fn render(trace: &Trace, style: &Style) -> String {
    let mut canvas = Canvas::new(style.color);
    header(&mut canvas, trace, style);
    let room = style.width - DURATION - STATUS - 3;
    let widest = (room * 9 / 20).max(MIN_NAME);
    let levels = widest.saturating_sub(MIN_NAME) / LEVEL;
    let (rows, hidden) = rows(trace, style, levels);
    let needed = rows.iter().map(|row| Label::of(row).cells()).max().unwrap_or_default();
    let label = needed.clamp(MIN_NAME, widest);
    let painter = Painter { style, label, scale: Scale::new(trace.duration(), room - label), trace };
    for row in &rows {
        painter.row(&mut canvas, row);
    }
    if hidden > 0 {
        canvas.put(Ink::Faint, &format!("… {hidden} more"));
        canvas.end_line();
    }
    canvas.finish()
}

/// Columns for the duration: `12.3 ms`, `12.3 ms+`.
const DURATION: usize = 8;
/// Columns for the status: `429 throttle`.
const STATUS: usize = 12;
/// Columns for one level of the tree.
const LEVEL: usize = 3;
/// Minimum columns for a name.
const MIN_NAME: usize = 14;
/// Maximum number of exceptions shown per entity.
const EXCEPTIONS: usize = 3;

fn header(canvas: &mut Canvas, trace: &Trace, style: &Style) {
    let outcome = Ink::Outcome(trace.outcome());
    let Some(root) = trace.nodes().next() else { return };
    let id = trace.id().to_string();
    let duration = fit(&duration_text(trace.duration()), DURATION);
    let status = Status::of(&root);
    let request = root.http().map(request).filter(|request| !request.is_empty());
    let request = request.unwrap_or_else(|| root.name().to_owned());
    let used = cells(&id) + cells(&duration) + cells(&status.text) + 8;
    canvas.put(outcome, "●");
    canvas.skip(1);
    canvas.put(Ink::Strong, &id);
    canvas.skip(2);
    canvas.put(Ink::Strong, &duration);
    canvas.skip(2);
    canvas.put(status.ink, &status.text);
    canvas.skip(2);
    canvas.put(Ink::Strong, &fit(&request, style.width.saturating_sub(used)));
    canvas.end_line();
    notes(canvas, trace);
}

/// Writes a line with what limits the trace, such as missing parents.
fn notes(canvas: &mut Canvas, trace: &Trace) {
    let open = trace.nodes().filter(|node| node.is_in_progress()).count();
    let orphans = trace.nodes().filter(|node| node.is_orphan()).count();
    let mut notes = Vec::new();
    if open > 0 {
        notes.push(format!("{open} in progress"));
    }
    if orphans > 0 {
        notes.push(format!("{orphans} with a missing parent"));
    }
    if trace.is_update() {
        notes.push("update of a trace shown before".to_owned());
    }
    if !notes.is_empty() {
        canvas.skip(2);
        canvas.put(Ink::Open, &notes.join(" · "));
        canvas.end_line();
    }
}

fn request(http: &crate::trace::Http) -> String {
    let parts: Vec<&str> = [&http.method, &http.url].into_iter().filter_map(|part| part.as_deref()).collect();
    parts.join(" ")
}

/// The last column: the status code and the name of the flag.
struct Status {
    ink: Ink,
    text: String,
}

impl Status {
    fn of(entity: &Entity) -> Status {
        let outcome = entity.outcome();
        let code = entity.http().and_then(|http| http.status).map(|code| code.to_string());
        let word = match (outcome_word(outcome), &code, entity.is_in_progress()) {
            ("ok", _, true) => return Status { ink: Ink::Open, text: "in progress".to_owned() },
            ("ok", Some(_), _) => None,
            (word, ..) => Some(word.to_owned()),
        };
        let text = code.into_iter().chain(word).collect::<Vec<_>>().join(" ");
        Status { ink: Ink::Outcome(outcome), text: fit(&text, STATUS) }
    }
}

fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "ok",
        Outcome::Error => "error",
        Outcome::Throttle => "throttle",
        Outcome::Fault => "fault",
    }
}

/// The first column: the lines of the tree, the name, and the kind of call.
struct Label {
    lines: String,
    name: String,
    ink: Ink,
    kind: Option<String>,
}

impl Label {
    fn of(row: &Row<'_>) -> Label {
        let mut lines = rails(row);
        if let Some(&more) = row.rails.last() {
            lines.truncate(lines.len() - if more { "│  ".len() } else { "   ".len() });
            lines.push_str(if more { "├─ " } else { "└─ " });
        }
        match &row.content {
            Content::Entity(node) => {
                let operation = node.operation().map(|operation| format!(" {operation}")).unwrap_or_default();
                let kind = if node.sql().is_some() { Some("sql") } else { node.namespace() };
                Label {
                    lines,
                    name: format!("{}{operation}", node.name()),
                    ink: if node.is_segment() { Ink::Strong } else { Ink::Plain },
                    kind: kind.map(|kind| format!(" ‹{}›", fit(kind, 8))),
                }
            }
            Content::Alike(alike) => {
                let name = format!("… {} more like this", alike.count);
                Label { lines, name, ink: Ink::Faint, kind: None }
            }
        }
    }

    fn cells(&self) -> usize {
        cells(&self.lines) + cells(&self.name) + self.kind.as_deref().map_or(0, cells)
    }
}

/// Returns the vertical lines of the tree that pass through a row.
fn rails(row: &Row<'_>) -> String {
    let folded = if row.rails.len() < row.depth { "⋯ " } else { "" };
    let rails = row.rails.iter().map(|&more| if more { "│  " } else { "   " });
    std::iter::once(folded).chain(rails).collect()
}

struct Painter<'a> {
    trace: &'a Trace,
    style: &'a Style,
    label: usize,
    scale: Scale,
}

impl Painter<'_> {
    fn row(&self, canvas: &mut Canvas, row: &Row<'_>) {
        self.label(canvas, Label::of(row));
        match &row.content {
            Content::Entity(node) => {
                self.entity(canvas, *node);
                self.details(canvas, row, *node);
            }
            Content::Alike(alike) => self.alike(canvas, alike),
        }
    }

    fn label(&self, canvas: &mut Canvas, label: Label) {
        let fixed = cells(&label.lines) + label.kind.as_deref().map_or(0, cells);
        let name = fit(&label.name, self.label.saturating_sub(fixed));
        canvas.put(Ink::Faint, &label.lines);
        canvas.put(label.ink, &name);
        canvas.put(Ink::Faint, label.kind.as_deref().unwrap_or_default());
        canvas.skip(self.label.saturating_sub(fixed + cells(&name)) + 1);
    }

    fn entity(&self, canvas: &mut Canvas, node: Node<'_>) {
        let begin = node.offset();
        let status = Status::of(&node);
        let bar = match node.duration() {
            Some(duration) => self.scale.bar(begin, begin.saturating_add(duration)),
            None => self.scale.open_bar(begin),
        };
        let so_far = self.trace.duration().saturating_sub(begin);
        let time = node.duration().map_or_else(|| open_text(so_far), duration_text);
        self.numbers(canvas, &bar, status.ink, &time, &status.text);
    }

    fn alike(&self, canvas: &mut Canvas, alike: &Alike) {
        let bar = self.scale.shade(alike.begin, alike.end);
        let ink = Ink::Outcome(alike.outcome);
        self.numbers(canvas, &bar, ink, &duration_text(alike.total), outcome_word(alike.outcome));
    }

    fn numbers(&self, canvas: &mut Canvas, bar: &Bar, ink: Ink, duration: &str, status: &str) {
        canvas.skip(bar.skip);
        canvas.put(ink, &bar.blocks);
        let after = self.scale.width().saturating_sub(bar.skip + cells(&bar.blocks));
        canvas.skip(after + DURATION.saturating_sub(cells(duration)));
        canvas.put(Ink::Plain, &fit(duration, DURATION));
        canvas.skip(2);
        canvas.put(ink, status);
        canvas.end_line();
    }

    /// Writes the dim lines below a row.
    fn details(&self, canvas: &mut Canvas, row: &Row<'_>, node: Node<'_>) {
        let mut lines = rails(row);
        lines.push_str(if row.children { "│   " } else { "    " });
        let width = self.style.width.saturating_sub(cells(&lines));
        let mut line = |ink: Ink, text: &str| {
            canvas.put(Ink::Faint, &lines);
            canvas.put(ink, &fit(text, width));
            canvas.end_line();
        };
        if let Some(parent) = node.parent_id().filter(|_| node.is_orphan()) {
            line(Ink::Open, &format!("parent {parent} is missing"));
        }
        if let Some(skew) = node.clock_skew().filter(|skew| *skew >= Duration::from_millis(10)) {
            line(Ink::Faint, &format!("moved by {}: its clock is behind the caller's", duration_text(skew)));
        }
        // The request of the first root is in the header.
        let in_header = self.trace.nodes().next().is_some_and(|root| root.id() == node.id());
        if let Some(http) = node.http().filter(|http| http.url.is_some() && !in_header) {
            line(Ink::Faint, &request(http));
        }
        if let Some(sql) = node.sql().and_then(|sql| sql.query.as_deref().or(sql.url.as_deref())) {
            line(Ink::Faint, sql);
        }
        for pairs in packed(node.annotations().map(|(key, value)| format!("{key}={value}")), width) {
            line(Ink::Faint, &pairs);
        }
        for exception in node.exceptions().iter().take(EXCEPTIONS) {
            let colon = if exception.kind.is_empty() || exception.message.is_empty() { "" } else { ": " };
            let text = format!("{}{colon}{}", exception.kind, exception.message);
            line(Ink::Outcome(node.outcome()), &text);
        }
        if let Some(more @ 1..) = node.exceptions().len().checked_sub(EXCEPTIONS) {
            line(Ink::Faint, &format!("… {more} more exceptions"));
        }
    }
}

/// Formats the minimum duration of an entity in progress.
fn open_text(so_far: Duration) -> String {
    if so_far.is_zero() { String::new() } else { format!("{}+", duration_text(so_far)) }
}

/// Joins texts into as few lines as possible, in order.
fn packed(texts: impl Iterator<Item = String>, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for text in texts {
        match lines.last_mut() {
            Some(line) if cells(line) + 2 + cells(&text) <= width => line.extend(["  ", &text]),
            _ => lines.push(text),
        }
    }
    lines
}
