//! The parts of a filter expression, and how they are written.

use std::fmt::{self, Display, Formatter};

/// An expression or a part of one.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    /// The empty expression.
    Everything,
    /// At least two.
    All(Vec<Expression>),
    /// At least two.
    Any(Vec<Expression>),
    Not(Box<Expression>),
    Service(Pattern, Option<Box<Expression>>),
    Edge(Pattern, Pattern, Option<Box<Expression>>),
    Cause(CauseKind, CausePart, Option<Box<Expression>>),
    /// `rootcause.json`: what causes must contain.
    CauseJson(serde_json::Value),
    Annotation(String, Option<(Operator, Value)>),
    /// A flag, and whether it must be set.
    Flag(Flag, bool),
    Number(Number, Option<(Operator, f64)>),
    Text(Text, Option<(Operator, String)>),
}

/// A node of the service graph. What is absent can have any value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pattern {
    pub(super) name: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) account: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Number(f64),
    Bool(bool),
}

/// Defines an enum whose variants are words of the language.
macro_rules! words {
    ($name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum $name { $($variant),+ }

        impl $name {
            pub(super) const ALL: &[$name] = &[$($name::$variant),+];

            pub(super) fn word(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }

            /// Finds a word, in any case.
            pub(super) fn find(word: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|known| known.word().eq_ignore_ascii_case(word))
            }
        }
    };
}

words!(Operator {
    Equal = "=",
    Unequal = "!=",
    Less = "<",
    LessOrEqual = "<=",
    Greater = ">",
    GreaterOrEqual = ">=",
    Contains = "CONTAINS",
    BeginsWith = "BEGINSWITH",
    EndsWith = "ENDSWITH",
});

words!(Flag {
    Ok = "ok",
    Error = "error",
    Throttle = "throttle",
    Fault = "fault",
    Partial = "partial",
    Inferred = "inferred",
    First = "first",
    Last = "last",
    Remote = "remote",
    Root = "root",
});

words!(Number {
    ResponseTime = "responsetime",
    Duration = "duration",
    Status = "http.status",
    Index = "index",
    Coverage = "coverage",
});

words!(Text {
    Url = "http.url",
    Method = "http.method",
    UserAgent = "http.useragent",
    ClientIp = "http.clientip",
    User = "user",
    Name = "name",
    Type = "type",
    Message = "message",
    AccountId = "account.id",
    AvailabilityZone = "availabilityzone",
    InstanceId = "instance.id",
    ResourceArn = "resource.arn",
    GroupName = "group.name",
    GroupArn = "group.arn",
});

words!(CauseKind { Fault = "fault", Error = "error", ResponseTime = "responsetime" });

words!(CausePart { Service = "service", Entity = "entity", Exception = "exception" });

impl Operator {
    /// Whether it compares sizes.
    pub(super) fn is_order(self) -> bool {
        use Operator::*;
        matches!(self, Less | LessOrEqual | Greater | GreaterOrEqual)
    }

    /// Whether it looks into a text.
    pub(super) fn is_search(self) -> bool {
        use Operator::*;
        matches!(self, Contains | BeginsWith | EndsWith)
    }

    pub(super) fn numbers(self, left: f64, right: f64) -> bool {
        match self {
            Operator::Equal => left == right,
            Operator::Unequal => left != right,
            Operator::Less => left < right,
            Operator::LessOrEqual => left <= right,
            Operator::Greater => left > right,
            Operator::GreaterOrEqual => left >= right,
            Operator::Contains | Operator::BeginsWith | Operator::EndsWith => false,
        }
    }

    pub(super) fn texts(self, left: &str, right: &str) -> bool {
        match self {
            Operator::Equal => left == right,
            Operator::Unequal => left != right,
            Operator::Contains => left.contains(right),
            Operator::BeginsWith => left.starts_with(right),
            Operator::EndsWith => left.ends_with(right),
            Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => false,
        }
    }
}

/// Whether a character can be part of a word without quotes.
pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | '-')
}

impl Expression {
    /// Whether it must be in parentheses below `!`, or as an operand of AND.
    fn is_list(&self) -> bool {
        matches!(self, Expression::All(_) | Expression::Any(_))
    }
}

/// Writes the expression so that parsing it returns an equal one.
impl Display for Expression {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Expression::Everything => Ok(()),
            Expression::All(parts) => list(f, parts, " AND "),
            Expression::Any(parts) => list(f, parts, " OR "),
            Expression::Not(inner) if inner.is_list() => write!(f, "!({inner})"),
            Expression::Not(inner) => write!(f, "!{inner}"),
            Expression::Service(pattern, block) if *pattern == Pattern::default() => {
                f.write_str("service()")?;
                braces(f, block)
            }
            Expression::Service(pattern, block) => {
                write!(f, "service({pattern})")?;
                braces(f, block)
            }
            Expression::Edge(from, to, block) => {
                write!(f, "edge({from}, {to})")?;
                braces(f, block)
            }
            Expression::Cause(kind, part, block) => {
                write!(f, "rootcause.{}.{}", kind.word(), part.word())?;
                braces(f, block)
            }
            Expression::CauseJson(json) => write!(f, "rootcause.json = #{json}"),
            Expression::Annotation(key, test) => {
                match key.chars().all(is_word) {
                    true => write!(f, "annotation.{key}")?,
                    false => write!(f, "annotation[{}]", Quoted(key))?,
                }
                match test {
                    None => Ok(()),
                    Some((operator, Value::Text(text))) => write!(f, " {} {}", operator.word(), Quoted(text)),
                    Some((operator, Value::Number(number))) => write!(f, " {} {number}", operator.word()),
                    Some((operator, Value::Bool(value))) => write!(f, " {} {value}", operator.word()),
                }
            }
            Expression::Flag(flag, true) => f.write_str(flag.word()),
            Expression::Flag(flag, false) => write!(f, "{} = false", flag.word()),
            Expression::Number(number, None) => f.write_str(number.word()),
            Expression::Number(number, Some((operator, value))) => {
                write!(f, "{} {} {value}", number.word(), operator.word())
            }
            Expression::Text(text, None) => f.write_str(text.word()),
            Expression::Text(text, Some((operator, value))) => {
                write!(f, "{} {} {}", text.word(), operator.word(), Quoted(value))
            }
        }
    }
}

fn list(f: &mut Formatter<'_>, parts: &[Expression], between: &str) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            f.write_str(between)?;
        }
        if part.is_list() { write!(f, "({part})") } else { write!(f, "{part}") }?;
    }
    Ok(())
}

fn braces(f: &mut Formatter<'_>, block: &Option<Box<Expression>>) -> fmt::Result {
    block.as_ref().map_or(Ok(()), |block| write!(f, " {{ {block} }}"))
}

impl Display for Pattern {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Pattern { name: Some(name), kind: None, account: None } = self {
            return write!(f, "{}", Quoted(name));
        }
        let members = [("name", &self.name), ("type", &self.kind), ("account.id", &self.account)];
        let mut members = members.iter().filter_map(|(word, value)| Some((word, value.as_ref()?)));
        let Some((word, value)) = members.next() else { return Ok(()) };
        write!(f, "id({word}: {}", Quoted(value))?;
        for (word, value) in members {
            write!(f, ", {word}: {}", Quoted(value))?;
        }
        f.write_str(")")
    }
}

struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for c in self.0.chars() {
            if matches!(c, '"' | '\\') {
                f.write_str("\\")?;
            }
            write!(f, "{c}")?;
        }
        f.write_str("\"")
    }
}
