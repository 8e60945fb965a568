//! What plugins deliver, and how all of it becomes members of segments.

use std::fmt;

use serde::Serialize;

use crate::document::json;

/// Bytes of the blocks of all plugins. They are in every segment, and nothing can be shed of them.
pub(super) const MAX_BLOCKS: usize = 4 * 1024;
/// Bytes of all log groups, for the same reason. What comes later is left out.
const MAX_LOG_GROUPS: usize = 2 * 1024;

/// Members of `aws` that are no plugin's.
const RESERVED: [&str; 3] = ["account_id", "cloudwatch_logs", "xray"];

/// The origins of the SDK's own plugins, the most specific one last.
const ORIGINS: [&str; 4] = [super::ec2::ORIGIN, super::ecs::ORIGIN, super::eks::ORIGIN, super::beanstalk::ORIGIN];

/// What a [`Plugin`](super::Plugin) has found: an origin with its block in `aws`, log groups, or both.
///
/// ```
/// use xray_core::plugin::Detected;
///
/// let host = Detected::new("AWS::EC2::Instance", "ec2").field("instance_id", "i-07a181803de94c477").log_group("shop", None);
/// let logs_only = Detected::default().log_group("shop", None);
/// assert_ne!(host, logs_only);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
#[must_use = "it counts when `detect` returns it"]
pub struct Detected {
    origin: String,
    block: String,
    /// Of the block: names, and values in JSON.
    fields: Vec<(String, Vec<u8>)>,
    log_groups: Vec<LogGroup>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct LogGroup {
    name: String,
    arn: Option<String>,
}

impl Detected {
    /// A host of the kind that X-Ray knows as `origin`, described by a block of this name in `aws`. Three names
    /// are taken: `xray`, `cloudwatch_logs` and `account_id`.
    pub fn new(origin: impl Into<String>, block: impl Into<String>) -> Detected {
        Detected { origin: origin.into(), block: block.into(), ..Detected::default() }
    }

    /// Adds a field to the block. One without a value (`None`), or that does not serialise, is left out; the same name
    /// again replaces the value. The blocks of all plugins together may have 4 KiB.
    pub fn field<T: Serialize + ?Sized>(mut self, name: &str, value: &T) -> Detected {
        let mut encoded = Vec::new();
        if json::value(&mut encoded, value).is_err() || encoded == b"null" {
            return self;
        }
        match self.fields.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = encoded,
            None => self.fields.push((name.to_owned(), encoded)),
        }
        self
    }

    /// Adds a group of CloudWatch logs that the service writes to, and its ARN if that is known.
    pub fn log_group(mut self, name: impl Into<String>, arn: Option<String>) -> Detected {
        self.log_groups.push(LogGroup { name: name.into(), arn });
        self
    }

    /// Whether it may be in segments that have room for this many bytes.
    pub(super) fn check(&self, room: usize) -> Result<(), String> {
        if RESERVED.contains(&self.block.as_str()) {
            return Err(format!("its block must not be named {:?}", self.block));
        }
        let size = self.size();
        match size > room {
            true => Err(format!("its block of {size} bytes is larger than {room}, what is left of {MAX_BLOCKS}")),
            false => Ok(()),
        }
    }

    /// Bytes of its members in a segment.
    pub(super) fn size(&self) -> usize {
        let mut origin = Vec::new();
        json::string(&mut origin, &self.origin);
        origin.len() + self.member().len()
    }

    /// Its member of `aws`, after a comma; nothing if it says nothing.
    fn member(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.block.is_empty() && !self.fields.is_empty() {
            json::named_member(&mut out, &self.block);
            out.push(b'{');
            for (index, (name, value)) in self.fields.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                json::string(&mut out, name);
                out.push(b':');
                out.extend_from_slice(value);
            }
            out.push(b'}');
        }
        out
    }
}

impl fmt::Debug for Detected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("origin", &self.origin)
            .field("block", &self.block)
            .field("member", &json::utf8(self.member().get(1..).unwrap_or_default()))
            .field("log_groups", &self.log_groups)
            .finish()
    }
}

/// All that plugins have found, encoded once.
#[derive(Debug)]
pub(crate) struct Environment {
    origin: String,
    /// The member `origin` of a segment, after a comma.
    origin_member: Vec<u8>,
    /// The members of `aws`, each after a comma.
    blocks: Vec<u8>,
}

impl Environment {
    pub(super) fn of(hosts: &[Detected], log_groups: bool) -> Environment {
        let rank = |host: &&Detected| ORIGINS.iter().position(|origin| *origin == host.origin).unwrap_or(ORIGINS.len());
        // Of equals, the last one.
        let origin = hosts.iter().filter(|host| !host.origin.is_empty()).max_by_key(rank);
        let origin = origin.map(|host| host.origin.clone()).unwrap_or_default();
        let mut origin_member = Vec::new();
        if !origin.is_empty() {
            json::text_member(&mut origin_member, "origin", &origin);
        }
        let mut blocks = Vec::new();
        for (index, host) in hosts.iter().enumerate() {
            let again = hosts[index + 1..].iter().any(|later| later.block == host.block);
            if !again {
                blocks.extend_from_slice(&host.member());
            }
        }
        if log_groups {
            let groups = hosts.iter().flat_map(|host| &host.log_groups);
            write_log_groups(&mut blocks, groups.map(|group| (group.name.as_str(), group.arn.as_deref())));
        }
        Environment { origin, origin_member, blocks }
    }

    /// What the service runs on, if a plugin knows.
    pub(crate) fn origin(&self) -> Option<&str> {
        Some(self.origin.as_str()).filter(|origin| !origin.is_empty())
    }

    /// Before the block `aws`.
    pub(crate) fn write_origin(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.origin_member);
    }

    /// Inside the block `aws`.
    pub(crate) fn write_blocks(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.blocks);
    }
}

/// The member `cloudwatch_logs` of `aws`, each group once; nothing if there is no group.
pub(crate) fn write_log_groups<'a>(out: &mut Vec<u8>, groups: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) {
    let (mut list, mut written) = (Vec::new(), Vec::new());
    for (name, arn) in groups {
        if name.is_empty() || written.contains(&name) {
            continue;
        }
        let mut group = Vec::new();
        json::text_member(&mut group, "log_group", name);
        if let Some(arn) = arn {
            json::text_member(&mut group, "arn", arn);
        }
        if list.len() + group.len() > MAX_LOG_GROUPS {
            continue;
        }
        list.extend_from_slice(b",{");
        list.extend_from_slice(&group[1..]);
        list.push(b'}');
        written.push(name);
    }
    if !list.is_empty() {
        json::member(out, "cloudwatch_logs");
        out.push(b'[');
        out.extend_from_slice(&list[1..]);
        out.push(b']');
    }
}

#[cfg(test)]
mod tests {
    use super::super::{beanstalk, ec2, ecs, eks};
    use super::*;

    fn text(environment: &Environment) -> String {
        let mut out = Vec::new();
        environment.write_origin(&mut out);
        environment.write_blocks(&mut out);
        json::utf8(&out).to_owned()
    }

    #[test]
    fn the_most_specific_origin_wins_in_any_order() {
        let own = "Example::Rack";
        let all = [ec2::ORIGIN, ecs::ORIGIN, eks::ORIGIN, beanstalk::ORIGIN, own];
        for (low, lower) in all.iter().enumerate() {
            for higher in &all[low..] {
                for pair in [[lower, higher], [higher, lower]] {
                    let hosts = pair.map(|origin| Detected::new(*origin, "block"));
                    assert_eq!(Environment::of(&hosts, true).origin(), Some(*higher), "{pair:?}");
                }
            }
        }
        let two = [
            Detected::new(own, "a"),
            Detected::new("Example::Other", "b"),
            Detected::default().log_group("logs", None),
        ];
        assert_eq!(Environment::of(&two, true).origin(), Some("Example::Other"), "the last one of equals");
        assert_eq!(Environment::of(&two[2..], true).origin(), None);
    }

    #[test]
    fn blocks_come_in_the_order_of_plugins_and_log_groups_last() {
        let hosts = [
            Detected::new(ec2::ORIGIN, "ec2")
                .field("instance_id", "i-1")
                .field("ami_id", &None::<&str>)
                .log_group("a", None),
            Detected::new(ecs::ORIGIN, "ecs").field("container", "old"),
            Detected::new("Example::\"Rack", "rack").field("unit", &7).log_group("b\n", Some("arn:b".to_owned())),
            Detected::new(ecs::ORIGIN, "ecs").field("container", "new").log_group("a", None).log_group("", None),
            Detected::new(eks::ORIGIN, "eks"),
        ];
        let (origin, blocks) = (
            r#","origin":"Example::\"Rack""#,
            r#","ec2":{"instance_id":"i-1"},"rack":{"unit":7},"ecs":{"container":"new"}"#,
        );
        let logs = r#","cloudwatch_logs":[{"log_group":"a"},{"log_group":"b\n","arn":"arn:b"}]"#;
        assert_eq!(text(&Environment::of(&hosts, true)), format!("{origin}{blocks}{logs}"));
        assert_eq!(text(&Environment::of(&hosts, false)), format!("{origin}{blocks}"));
        assert_eq!(text(&Environment::of(&[Detected::default()], true)), "");
    }

    #[test]
    fn names_are_escaped_and_a_name_given_twice_has_its_last_value() {
        let host = Detected::new("Example::Rack", "the \"rack\"")
            .field("label \"a\"\\\n", "x")
            .field("n", &1)
            .field("n", &2)
            .field("n", &None::<u8>);
        let members = text(&Environment::of(&[host], true));
        let members: serde_json::Value = serde_json::from_str(&format!("{{{}}}", &members[1..])).unwrap();
        assert_eq!(members["the \"rack\""], serde_json::json!({"label \"a\"\\\n": "x", "n": 2}));
    }

    #[test]
    fn what_would_fill_every_document_is_refused() {
        let long = "x".repeat(MAX_BLOCKS);
        let half = Detected::new("o", "b").field("f", &long[MAX_BLOCKS / 2..]);
        assert_eq!(Detected::new("o", "b").field("f", &long[100..]).check(MAX_BLOCKS), Ok(()));
        assert!(Detected::new("o", "b").field("f", &long).check(MAX_BLOCKS).is_err());
        assert!(Detected::new(&*long, "b").check(MAX_BLOCKS).is_err());
        assert!(half.check(MAX_BLOCKS - half.size()).is_err(), "no room for two such halves");
        assert!(RESERVED.iter().all(|name| Detected::new("o", *name).check(MAX_BLOCKS).is_err()));
        let many = (0..1_000).fold(Detected::default(), |host, n| host.log_group(format!("group {n}"), None));
        assert_eq!(many.check(MAX_BLOCKS), Ok(()));
        assert!(text(&Environment::of(&[many], true)).len() < MAX_LOG_GROUPS + 100);
    }
}
