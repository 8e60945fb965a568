//! The rows of a waterfall: entities in order, similar siblings summarised, limited in number.

use std::collections::HashMap;
use std::time::Duration;

use crate::style::Style;
use crate::trace::Outcome;
use crate::trace::{Node, Trace};

/// A row of the waterfall, with its position in the tree.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    pub(crate) content: Content<'a>,
    /// For each level below the root: whether more siblings follow, so that the vertical line continues.
    pub(crate) rails: Vec<bool>,
    /// Whether rows for children follow.
    pub(crate) children: bool,
    pub(crate) depth: usize,
}

#[derive(Debug)]
pub(crate) enum Content<'a> {
    Entity(Node<'a>),
    Alike(Alike),
}

/// Siblings with the same name and outcome that are summarised in one row.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Alike {
    pub(crate) count: usize,
    /// The number of siblings and all their descendants.
    pub(crate) entities: usize,
    pub(crate) begin: Duration,
    pub(crate) end: Duration,
    /// The sum of their durations.
    pub(crate) total: Duration,
    pub(crate) outcome: Outcome,
}

/// Returns the rows of a trace, and the number of entities that have no row.
pub(crate) fn rows<'a>(trace: &'a Trace, style: &Style, levels: usize) -> (Vec<Row<'a>>, usize) {
    let mut rows: Vec<Row<'a>> = Vec::new();
    let mut hidden = trace.len();
    let mut rails: Vec<bool> = Vec::new();
    // A stack of content, depth, and whether siblings follow.
    let mut next: Vec<(Content<'a>, usize, bool)> = Vec::new();
    let push = |next: &mut Vec<_>, contents: Vec<Content<'a>>, depth: usize| {
        let last = contents.len().wrapping_sub(1);
        next.extend(contents.into_iter().enumerate().rev().map(|(i, content)| (content, depth, i != last)));
    };
    push(&mut next, contents(trace.roots(), style), 0);
    while let Some((content, depth, more)) = next.pop() {
        if rows.len() == style.rows {
            break;
        }
        rails.truncate(depth.saturating_sub(1));
        if depth > 0 {
            rails.push(more);
        }
        let waiting = next.len();
        match &content {
            Content::Entity(node) => {
                hidden -= 1;
                push(&mut next, contents(node.children(), style), depth + 1);
            }
            Content::Alike(alike) => hidden -= alike.entities,
        }
        let children = next.len() > waiting;
        // Deep rows show only their innermost levels: showing all would need memory quadratic in the depth.
        let rails = rails[rails.len().saturating_sub(levels)..].to_vec();
        rows.push(Row { content, rails, children, depth });
    }
    (rows, hidden)
}

/// Returns the rows for siblings: the first few of each kind, then one row for all others of that kind. A single
/// failure among a thousand siblings is a kind of its own, so it is always visible.
fn contents<'a>(siblings: impl Iterator<Item = Node<'a>>, style: &Style) -> Vec<Content<'a>> {
    let siblings: Vec<Node<'a>> = siblings.collect();
    let kind = |node: Node<'a>| (node.entity().name(), node.outcome(), node.is_in_progress());
    let mut kinds: HashMap<_, Kind> = HashMap::new();
    for &node in &siblings {
        kinds.entry(kind(node)).or_default().count += 1;
    }
    let mut contents: Vec<Content<'a>> = Vec::new();
    for node in siblings {
        let Some(kind) = kinds.get_mut(&kind(node)) else { continue };
        kind.seen += 1;
        // A row that summarises a single entity would save nothing.
        if kind.seen <= style.alike || kind.count <= style.alike + 1 {
            contents.push(Content::Entity(node));
        } else if let Some(Content::Alike(alike)) = kind.row.map(|row| &mut contents[row]) {
            alike.add(node);
        } else {
            kind.row = Some(contents.len());
            contents.push(Content::Alike(Alike::of(node)));
        }
    }
    contents
}

#[derive(Default)]
struct Kind {
    count: usize,
    seen: usize,
    /// The index of the row that summarises the others.
    row: Option<usize>,
}

impl Alike {
    fn of(node: Node<'_>) -> Alike {
        let total = node.duration().unwrap_or_default();
        Alike {
            count: 1,
            entities: 1 + node.descendants(),
            begin: node.offset(),
            end: node.offset().saturating_add(total),
            total,
            outcome: node.outcome(),
        }
    }

    fn add(&mut self, node: Node<'_>) {
        let other = Alike::of(node);
        self.count += other.count;
        self.entities += other.entities;
        self.begin = self.begin.min(other.begin);
        self.end = self.end.max(other.end);
        self.total = self.total.saturating_add(other.total);
    }
}
