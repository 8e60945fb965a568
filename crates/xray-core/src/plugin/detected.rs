//! The results of plugins, and their encoding as members of segments.

use std::fmt;

use serde::Serialize;

use super::origin;
use crate::document::json;

/// The largest size of all plugins' blocks together, in bytes. Every segment contains them, and trimming a segment does
/// not remove them.
pub(super) const MAX_BLOCKS: usize = 4 * 1024;
/// The largest size of all log groups together, in bytes, for the same reason. Further groups are left out.
const MAX_LOG_GROUPS: usize = 2 * 1024;

/// Members of `aws` that no plugin may write.
const RESERVED: [&str; 3] = ["account_id", "cloudwatch_logs", "xray"];

/// The origins of the SDK's own plugins, the most specific one last.
const ORIGINS: [&str; 4] = [origin::EC2, origin::ECS, origin::EKS, origin::ELASTIC_BEANSTALK];

/// The result of a [`Plugin`](super::Plugin): an origin with its block in `aws`, log groups, or both.
///
/// The blocks of all plugins together may have 4 KiB. A plugin whose block exceeds what is left of this is ignored, and
/// logged at `debug`. Log groups together may have 2 KiB; further ones are left out.
///
/// ```
/// use xray_core::plugin::Detected;
///
/// let instance = Detected::new("AWS::EC2::Instance", "ec2")
///     .field("instance_id", "i-07a181803de94c477")
///     .log_group("shop", None);
/// let logs_only = Detected::default().log_group("shop", None);
/// assert_ne!(instance, logs_only);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
#[must_use = "it has no effect until `detect` returns it"]
pub struct Detected {
    origin: String,
    block: String,
    /// The fields of the block: names, and values in JSON.
    fields: Vec<(String, Vec<u8>)>,
    log_groups: Vec<LogGroup>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct LogGroup {
    name: String,
    arn: Option<String>,
}

impl Detected {
    /// Creates a result with an `origin`, as X-Ray names the type of platform, and with the name of a block in `aws`.
    ///
    /// Three names are reserved: `xray`, `cloudwatch_logs` and `account_id`. A plugin that uses one is ignored. A block
    /// without fields is not written. If two plugins write the same block, the later one replaces the earlier.
    pub fn new(origin: impl Into<String>, block: impl Into<String>) -> Detected {
        Detected { origin: origin.into(), block: block.into(), ..Detected::default() }
    }

    /// Adds a field to the block. `None` and values that fail to serialise are left out. Setting the same name again
    /// replaces the value.
    ///
    /// ```
    /// use xray_core::plugin::Detected;
    ///
    /// let rack = Detected::new("Example::Rack", "rack").field("unit", &7).field("zone", &None::<&str>);
    /// assert_eq!(rack, Detected::new("Example::Rack", "rack").field("unit", &7));
    /// ```
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

    /// Adds a log group of CloudWatch that the service writes to, with its ARN if known. Empty names and groups that
    /// another plugin has already added are left out.
    pub fn log_group(mut self, name: impl Into<String>, arn: Option<String>) -> Detected {
        self.log_groups.push(LogGroup { name: name.into(), arn });
        self
    }

    /// Checks the block's name, and that its size is at most `room` bytes.
    pub(super) fn check(&self, room: usize) -> Result<(), String> {
        if RESERVED.contains(&self.block.as_str()) {
            return Err(format!("its block has the reserved name {:?}", self.block));
        }
        let size = self.size();
        match size > room {
            true => Err(format!("its block has {size} bytes, but only {room} of {MAX_BLOCKS} are left for it")),
            false => Ok(()),
        }
    }

    /// The size of its members in a segment, in bytes.
    pub(super) fn size(&self) -> usize {
        let mut origin = Vec::new();
        json::string(&mut origin, &self.origin);
        origin.len() + self.member().len()
    }

    /// Its member of `aws`, with a leading comma; empty without a block or fields.
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
        f.debug_struct("Detected")
            .field("origin", &self.origin)
            .field("block", &self.block)
            .field("member", &json::utf8(self.member().get(1..).unwrap_or_default()))
            .field("log_groups", &self.log_groups)
            .finish()
    }
}

/// The results of all plugins, encoded once.
#[derive(Debug)]
pub(crate) struct Platform {
    origin: String,
    /// The member `origin` of a segment, with a leading comma.
    origin_member: Vec<u8>,
    /// The members of `aws`, each with a leading comma.
    blocks: Vec<u8>,
}

impl Platform {
    /// Combines the results of all plugins, in their order.
    pub(super) fn of(results: &[Detected], log_groups: bool) -> Platform {
        let rank = |one: &&Detected| ORIGINS.iter().position(|origin| *origin == one.origin).unwrap_or(ORIGINS.len());
        // `max_by_key` returns the last of several equal elements.
        let origin = results.iter().filter(|one| !one.origin.is_empty()).max_by_key(rank);
        let origin = origin.map(|one| one.origin.clone()).unwrap_or_default();
        let mut origin_member = Vec::new();
        if !origin.is_empty() {
            json::text_member(&mut origin_member, "origin", &origin);
        }
        let mut blocks = Vec::new();
        for (index, one) in results.iter().enumerate() {
            let is_replaced = results[index + 1..].iter().any(|later| later.block == one.block);
            if !is_replaced {
                blocks.extend_from_slice(&one.member());
            }
        }
        if log_groups {
            let groups = results.iter().flat_map(|one| &one.log_groups);
            write_log_groups(&mut blocks, groups.map(|group| (group.name.as_str(), group.arn.as_deref())));
        }
        Platform { origin, origin_member, blocks }
    }

    /// The platform that the service runs on, if a plugin has detected it.
    pub(crate) fn origin(&self) -> Option<&str> {
        Some(self.origin.as_str()).filter(|origin| !origin.is_empty())
    }

    /// Writes the member `origin`, which precedes the block `aws`.
    pub(crate) fn write_origin(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.origin_member);
    }

    /// Writes the plugins' members of the block `aws`.
    pub(crate) fn write_blocks(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.blocks);
    }
}

/// Writes the member `cloudwatch_logs` of `aws`, with each group once. Without a group it writes nothing.
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
    use super::*;

    fn text(platform: &Platform) -> String {
        let mut out = Vec::new();
        platform.write_origin(&mut out);
        platform.write_blocks(&mut out);
        json::utf8(&out).to_owned()
    }

    #[test]
    fn the_most_specific_origin_wins_in_any_order() {
        let own = "Example::Rack";
        let all = [origin::EC2, origin::ECS, origin::EKS, origin::ELASTIC_BEANSTALK, own];
        for (low, lower) in all.iter().enumerate() {
            for higher in &all[low..] {
                for pair in [[lower, higher], [higher, lower]] {
                    let results = pair.map(|origin| Detected::new(*origin, "block"));
                    assert_eq!(Platform::of(&results, true).origin(), Some(*higher), "{pair:?}");
                }
            }
        }
        let two = [
            Detected::new(own, "a"),
            Detected::new("Example::Other", "b"),
            Detected::default().log_group("logs", None),
        ];
        assert_eq!(Platform::of(&two, true).origin(), Some("Example::Other"), "the last one of equal rank");
        assert_eq!(Platform::of(&two[2..], true).origin(), None);
    }

    #[test]
    fn blocks_are_in_the_order_of_plugins_and_log_groups_are_last() {
        let results = [
            Detected::new(origin::EC2, "ec2")
                .field("instance_id", "i-1")
                .field("ami_id", &None::<&str>)
                .log_group("a", None),
            Detected::new(origin::ECS, "ecs").field("container", "old"),
            Detected::new("Example::\"Rack", "rack").field("unit", &7).log_group("b\n", Some("arn:b".to_owned())),
            Detected::new(origin::ECS, "ecs").field("container", "new").log_group("a", None).log_group("", None),
            Detected::new(origin::EKS, "eks"),
        ];
        let (origin, blocks) = (
            r#","origin":"Example::\"Rack""#,
            r#","ec2":{"instance_id":"i-1"},"rack":{"unit":7},"ecs":{"container":"new"}"#,
        );
        let logs = r#","cloudwatch_logs":[{"log_group":"a"},{"log_group":"b\n","arn":"arn:b"}]"#;
        assert_eq!(text(&Platform::of(&results, true)), format!("{origin}{blocks}{logs}"));
        assert_eq!(text(&Platform::of(&results, false)), format!("{origin}{blocks}"));
        assert_eq!(text(&Platform::of(&[Detected::default()], true)), "");
    }

    #[test]
    fn names_are_escaped_and_the_last_value_of_a_name_wins() {
        let rack = Detected::new("Example::Rack", "the \"rack\"")
            .field("label \"a\"\\\n", "x")
            .field("n", &1)
            .field("n", &2)
            .field("n", &None::<u8>);
        let members = text(&Platform::of(&[rack], true));
        let members: serde_json::Value = serde_json::from_str(&format!("{{{}}}", &members[1..])).unwrap();
        assert_eq!(members["the \"rack\""], serde_json::json!({"label \"a\"\\\n": "x", "n": 2}));
    }

    #[test]
    fn results_that_would_fill_every_document_are_rejected() {
        let long = "x".repeat(MAX_BLOCKS);
        let half = Detected::new("o", "b").field("f", &long[MAX_BLOCKS / 2..]);
        assert_eq!(Detected::new("o", "b").field("f", &long[100..]).check(MAX_BLOCKS), Ok(()));
        assert!(Detected::new("o", "b").field("f", &long).check(MAX_BLOCKS).is_err());
        assert!(Detected::new(&*long, "b").check(MAX_BLOCKS).is_err());
        assert!(half.check(MAX_BLOCKS - half.size()).is_err(), "no room for two such halves");
        assert!(RESERVED.iter().all(|name| Detected::new("o", *name).check(MAX_BLOCKS).is_err()));
        let many = (0..1_000).fold(Detected::default(), |all, n| all.log_group(format!("group {n}"), None));
        assert_eq!(many.check(MAX_BLOCKS), Ok(()));
        assert!(text(&Platform::of(&[many], true)).len() < MAX_LOG_GROUPS + 100);
    }
}
