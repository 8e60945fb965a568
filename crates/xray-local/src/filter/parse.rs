//! A parser by recursive descent: one function for each rule of the grammar.
//!
//! ```text
//! filter     = [ any ]
//! any        = all { "OR" all }
//! all        = unary { [ "AND" ] unary }            terms next to each other must all be true
//! unary      = "!" unary | "(" any ")" | term
//! term       = service | edge | cause | annotation | comparison
//! service    = "service" "(" [ node ] ")" [ block ]
//! edge       = "edge" "(" [ node ] "," [ node ] ")" [ block ]
//! block      = "{" [ any ] "}"
//! node       = text | word | "id" "(" member ":" text { "," member ":" text } ")"
//! member     = "name" | "type" | "account.id"
//! cause      = "rootcause." kind "." part [ block ] | "rootcause.json" "=" "#" json
//! annotation = ( "annotation." key | "annotation" "[" key "]" ) [ operator value ]
//! comparison = flag [ ( "=" | "!=" ) ( "true" | "false" ) ] | number [ operator value ] | text [ operator value ]
//! ```
//!
//! Words have no case, but keys and values do.

use super::FilterError;
use super::scan::{Token, token};
use super::syntax::{CauseKind, CausePart, Expression, Flag, Number, Operator, Pattern, Text, Value};

/// Maximum depth of parentheses, blocks and `!`.
const MAX_DEPTH: usize = 64;

/// What the words of an expression refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Trace,
    /// The block of `service` or `edge`.
    Call,
    /// The block of `rootcause`.
    Cause,
}

/// A parsed expression.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) expression: Expression,
    /// Where `group.name` and `group.arn` are, in the order of the text.
    pub(super) groups: Vec<usize>,
}

/// Parses an expression.
pub(super) fn parse(text: &str) -> Result<Parsed, FilterError> {
    let (current, at, next) = token(text, 0)?;
    let mut parser = Parser { text, current, at, next, scope: Scope::Trace, depth: 0, groups: Vec::new() };
    let expression = if parser.current == Token::End { Expression::Everything } else { parser.any()? };
    match parser.current {
        Token::End => Ok(Parsed { expression, groups: parser.groups }),
        _ => Err(parser.unexpected("AND, OR or the end")),
    }
}

struct Parser<'a> {
    text: &'a str,
    current: Token<'a>,
    /// Where the current token begins.
    at: usize,
    /// Where it ends.
    next: usize,
    scope: Scope,
    depth: usize,
    groups: Vec<usize>,
}

type Result<T, E = FilterError> = std::result::Result<T, E>;

impl<'a> Parser<'a> {
    /// Moves to the next token and returns the current one.
    fn advance(&mut self) -> Result<Token<'a>> {
        let (token, at, next) = token(self.text, self.next)?;
        (self.at, self.next) = (at, next);
        Ok(std::mem::replace(&mut self.current, token))
    }

    /// Consumes a sign if it is the current token.
    fn take(&mut self, sign: &'static str) -> Result<bool> {
        let found = self.current == Token::Sign(sign);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn expect(&mut self, sign: &'static str) -> Result<()> {
        if self.take(sign)? { Ok(()) } else { Err(self.unexpected(&format!("`{sign}`"))) }
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.current, Token::Word(current) if current.eq_ignore_ascii_case(word))
    }

    fn error<T>(&self, message: impl Into<String>) -> Result<T> {
        Err(FilterError::new(self.at, message))
    }

    fn unexpected(&self, expected: &str) -> FilterError {
        let found = match &self.current {
            Token::End => "the expression ends here".to_owned(),
            Token::Word(word) => format!("unexpected `{word}`"),
            Token::Text(text) => format!("unexpected text {text:?}"),
            Token::Sign(sign) => format!("unexpected `{sign}`"),
            Token::Json(_) => "unexpected JSON".to_owned(),
        };
        FilterError::new(self.at, format!("{found}: expected {expected}"))
    }

    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth == MAX_DEPTH {
            return self.error(format!("more than {MAX_DEPTH} levels of nesting"));
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    fn any(&mut self) -> Result<Expression> {
        let first = self.all()?;
        let mut parts = vec![first];
        while self.is_word("or") {
            self.advance()?;
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::Any(parts) })
    }

    fn all(&mut self) -> Result<Expression> {
        let first = self.unary()?;
        let mut parts = vec![first];
        loop {
            if self.is_word("and") {
                self.advance()?;
            } else {
                match self.current {
                    Token::End | Token::Sign(")" | "}") => break,
                    _ if self.is_word("or") => break,
                    // Terms next to each other.
                    Token::Word(_) | Token::Sign("!" | "(") => {}
                    _ => return Err(self.unexpected("AND, OR or the end")),
                }
            }
            parts.push(self.unary()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::All(parts) })
    }

    fn unary(&mut self) -> Result<Expression> {
        if self.take("!")? {
            return self.nested(|parser| Ok(Expression::Not(Box::new(parser.unary()?))));
        }
        if self.take("(")? {
            let inner = self.nested(Self::any)?;
            self.expect(")")?;
            return Ok(inner);
        }
        self.term()
    }

    fn term(&mut self) -> Result<Expression> {
        let Token::Word(word) = self.current else { return Err(self.unexpected("a keyword such as `duration`")) };
        let at = self.at;
        let lower = word.to_ascii_lowercase();
        match &*lower {
            "service" | "edge" => return self.of_trace(&lower, |parser| parser.call(lower == "service")),
            "annotation" => return self.annotation(None),
            "rootcause.json" => return self.of_trace(&lower, Self::cause_json),
            _ => {}
        }
        if lower.starts_with("annotation.") {
            return self.annotation(Some(&word["annotation.".len()..]));
        }
        if let Some(rest) = lower.strip_prefix("rootcause.") {
            return self.of_trace(&lower, |parser| parser.cause(rest));
        }
        if let Some(flag) = Flag::find(word) {
            self.admit(at, word, Flag::scopes(flag))?;
            self.advance()?;
            return self.flag(flag);
        }
        if let Some(number) = Number::find(word) {
            self.admit(at, word, Number::scopes(number))?;
            self.advance()?;
            return self.number(number);
        }
        if let Some(text) = Text::find(word) {
            self.admit(at, word, Text::scopes(text))?;
            if matches!(text, Text::GroupName | Text::GroupArn) {
                self.groups.push(at);
            }
            self.advance()?;
            return self.text(text);
        }
        self.error(unknown(word, &lower))
    }

    /// Parses what is possible only outside blocks.
    fn of_trace(&mut self, word: &str, parse: impl FnOnce(&mut Self) -> Result<Expression>) -> Result<Expression> {
        self.admit(self.at, word, &[Scope::Trace])?;
        parse(self)
    }

    fn admit(&self, at: usize, word: &str, scopes: &[Scope]) -> Result<()> {
        if scopes.contains(&self.scope) {
            return Ok(());
        }
        let of = |scope: &Scope| match scope {
            Scope::Trace => "outside braces",
            Scope::Call => "in the braces of `service(…) {…}` or `edge(…) {…}`",
            Scope::Cause => "in the braces of `rootcause.… {…}`",
        };
        let places = scopes.iter().map(of).collect::<Vec<_>>().join(" or ");
        Err(FilterError::new(at, format!("`{word}` is not possible here, only {places}")))
    }

    fn call(&mut self, service: bool) -> Result<Expression> {
        self.advance()?;
        self.expect("(")?;
        let first = self.node()?;
        let second = if service { None } else { self.expect(",").and_then(|()| self.node()).map(Some)? };
        self.expect(")")?;
        let block = self.block(Scope::Call)?;
        Ok(match second {
            None => Expression::Service(first, block),
            Some(second) => Expression::Edge(first, second, block),
        })
    }

    fn block(&mut self, scope: Scope) -> Result<Option<Box<Expression>>> {
        if !self.take("{")? {
            return Ok(None);
        }
        let outer = std::mem::replace(&mut self.scope, scope);
        let block = match self.current {
            Token::Sign("}") => Expression::Everything,
            _ => self.nested(Self::any)?,
        };
        self.scope = outer;
        self.expect("}")?;
        Ok(Some(Box::new(block)))
    }

    fn node(&mut self) -> Result<Pattern> {
        if matches!(self.current, Token::Sign(")" | ",")) {
            return Ok(Pattern::default());
        }
        let is_id = self.is_word("id");
        let name = match self.advance()? {
            Token::Text(name) => name,
            Token::Word(_) if is_id && self.current == Token::Sign("(") => return self.node_id(),
            Token::Word(name) => name.to_owned(),
            _ => return self.error("expected the name of a service in quotes before this"),
        };
        Ok(Pattern { name: Some(name), ..Pattern::default() })
    }

    fn node_id(&mut self) -> Result<Pattern> {
        self.expect("(")?;
        let mut pattern = Pattern::default();
        loop {
            let member = match self.current {
                Token::Word(word) if word.eq_ignore_ascii_case("name") => &mut pattern.name,
                Token::Word(word) if word.eq_ignore_ascii_case("type") => &mut pattern.kind,
                Token::Word(word) if word.eq_ignore_ascii_case("account.id") => &mut pattern.account,
                _ => return Err(self.unexpected("`name:`, `type:` or `account.id:`")),
            };
            if member.is_some() {
                return self.error("this member is there twice");
            }
            self.advance()?;
            self.expect(":")?;
            *member = Some(match self.current {
                Token::Text(_) | Token::Word(_) => match self.advance()? {
                    Token::Text(text) => text,
                    Token::Word(word) => word.to_owned(),
                    _ => String::new(),
                },
                _ => return Err(self.unexpected("a text in quotes")),
            });
            if !self.take(",")? {
                self.expect(")")?;
                return Ok(pattern);
            }
        }
    }

    fn cause(&mut self, rest: &str) -> Result<Expression> {
        let parts = rest.split_once('.');
        let found = parts.and_then(|(kind, part)| Some((CauseKind::find(kind)?, CausePart::find(part)?)));
        let Some((kind, part)) = found else {
            return self.error(
                "expected `rootcause.`, then `fault`, `error` or `responsetime`, then `.service`, `.entity` or \
                 `.exception`",
            );
        };
        self.advance()?;
        Ok(Expression::Cause(kind, part, self.block(Scope::Cause)?))
    }

    fn cause_json(&mut self) -> Result<Expression> {
        self.advance()?;
        self.expect("=")?;
        match self.current {
            Token::Json(json) => {
                let Ok(wanted) = serde_json::from_str(json) else { return self.error("this JSON is too deep") };
                self.advance()?;
                Ok(Expression::CauseJson(wanted))
            }
            _ => Err(self.unexpected("`#` and JSON")),
        }
    }

    fn annotation(&mut self, key: Option<&str>) -> Result<Expression> {
        self.admit(self.at, "annotation", &[Scope::Trace, Scope::Call])?;
        self.advance()?;
        let key = match key {
            Some("") => return self.error("the key is missing: write `annotation.key`"),
            Some(key) => key.to_owned(),
            None => {
                self.expect("[")?;
                let key = match self.advance()? {
                    Token::Word(key) => key.to_owned(),
                    Token::Text(key) => key,
                    _ => return self.error("expected the key of an annotation before this"),
                };
                self.expect("]")?;
                key
            }
        };
        let Some(operator) = self.operator(&format!("annotation.{key}"))? else {
            return Ok(Expression::Annotation(key, None));
        };
        let at = self.at;
        let value = match self.value()? {
            Token::Word(word) if operator.is_search() => Value::Text(word.to_owned()),
            Token::Word(word) if word.eq_ignore_ascii_case("true") => Value::Bool(true),
            Token::Word(word) if word.eq_ignore_ascii_case("false") => Value::Bool(false),
            Token::Word(word) => parse_number(word).map_or_else(|| Value::Text(word.to_owned()), Value::Number),
            Token::Text(text) => Value::Text(text),
            _ => return Err(self.unexpected("a value")),
        };
        if operator.is_order() && !matches!(value, Value::Number(_)) {
            let message = format!("`{}` compares numbers: write a number without quotes", operator.word());
            return Err(FilterError::new(at, message));
        }
        Ok(Expression::Annotation(key, Some((operator, value))))
    }

    fn flag(&mut self, flag: Flag) -> Result<Expression> {
        let Some(operator) = self.operator(flag.word())? else { return Ok(Expression::Flag(flag, true)) };
        let equal = match operator {
            Operator::Equal => true,
            Operator::Unequal => false,
            _ => return self.error(format!("`{}` is true or false: write `{} = true`", flag.word(), flag.word())),
        };
        let wanted = match self.current {
            Token::Word(word) if word.eq_ignore_ascii_case("true") => true,
            Token::Word(word) if word.eq_ignore_ascii_case("false") => false,
            _ => return Err(self.unexpected("`true` or `false`")),
        };
        self.advance()?;
        Ok(Expression::Flag(flag, wanted == equal))
    }

    fn number(&mut self, number: Number) -> Result<Expression> {
        let Some(operator) = self.operator(number.word())? else { return Ok(Expression::Number(number, None)) };
        if operator.is_search() {
            let message = format!("`{}` is a number: compare it with =, !=, <, <=, > or >=", number.word());
            return self.error(message);
        }
        match self.current {
            Token::Word(word) => {
                let Some(value) = parse_number(word) else {
                    let unit = matches!(number, Number::Duration | Number::ResponseTime);
                    let hint = if unit { " of seconds, such as `0.5`" } else { "" };
                    return self.error(format!("`{word}` is not a number: write a number{hint}"));
                };
                self.advance()?;
                Ok(Expression::Number(number, Some((operator, value))))
            }
            _ => Err(self.unexpected("a number without quotes")),
        }
    }

    fn text(&mut self, text: Text) -> Result<Expression> {
        let Some(operator) = self.operator(text.word())? else { return Ok(Expression::Text(text, None)) };
        if operator.is_order() {
            let message =
                format!("`{}` is a text: compare it with =, !=, CONTAINS, BEGINSWITH or ENDSWITH", text.word());
            return self.error(message);
        }
        let value = match self.value()? {
            Token::Text(value) => value,
            Token::Word(word) => word.to_owned(),
            _ => String::new(),
        };
        Ok(Expression::Text(text, Some((operator, value))))
    }

    /// Consumes a value.
    fn value(&mut self) -> Result<Token<'a>> {
        match self.current {
            Token::Text(_) | Token::Word(_) => self.advance(),
            _ => Err(self.unexpected("a value, such as \"text\"")),
        }
    }

    /// Consumes an operator, if there is one. `term` is what it would compare.
    fn operator(&mut self, term: &str) -> Result<Option<Operator>> {
        let word = match &self.current {
            Token::Sign(sign) => *sign,
            Token::Word(word) => *word,
            _ => return Ok(None),
        };
        if let Some(operator) = Operator::find(word) {
            self.advance()?;
            return Ok(Some(operator));
        }
        match &*word.to_ascii_lowercase() {
            "is" => self.error(format!("`IS NULL` does not exist: write `!{term}`, or `{term}` for `IS NOT NULL`")),
            "in" => self.error(format!("`IN` does not exist: write `({term} = \"a\" OR {term} = \"b\")`")),
            "like" => self.error("`LIKE` does not exist: write CONTAINS, BEGINSWITH or ENDSWITH"),
            "between" => self.error(format!("`BETWEEN` does not exist: write `{term} >= 1 AND {term} <= 2`")),
            _ => Ok(None),
        }
    }
}

impl Flag {
    fn scopes(self) -> &'static [Scope] {
        match self {
            Flag::Ok | Flag::Error | Flag::Throttle | Flag::Fault | Flag::Partial => &[Scope::Trace, Scope::Call],
            Flag::Root => &[Scope::Call],
            Flag::Inferred => &[Scope::Call, Scope::Cause],
            Flag::First | Flag::Last | Flag::Remote => &[Scope::Cause],
        }
    }
}

impl Number {
    fn scopes(self) -> &'static [Scope] {
        match self {
            Number::ResponseTime | Number::Duration | Number::Status => &[Scope::Trace, Scope::Call],
            Number::Index | Number::Coverage => &[Scope::Cause],
        }
    }
}

impl Text {
    fn scopes(self) -> &'static [Scope] {
        match self {
            Text::Name | Text::Type | Text::AccountId => &[Scope::Call, Scope::Cause],
            Text::Message => &[Scope::Cause],
            Text::GroupName | Text::GroupArn => &[Scope::Trace],
            _ => &[Scope::Trace, Scope::Call],
        }
    }
}

/// Parses a decimal number. Words such as `inf` are no numbers.
fn parse_number(word: &str) -> Option<f64> {
    let digits = word.strip_prefix('-').unwrap_or(word);
    let first = digits.chars().next()?;
    (first.is_ascii_digit() || first == '.')
        .then(|| word.parse().ok())
        .flatten()
        .filter(|number: &f64| number.is_finite())
}

/// Says what to write instead of a word that does not exist.
fn unknown(word: &str, lower: &str) -> String {
    match lower {
        "not" => return "`NOT` does not exist: write `!`, as in `!annotation.age`".to_owned(),
        "and" | "or" => return format!("a term is missing before `{word}`"),
        "status" | "url" | "method" | "useragent" | "clientip" => {
            return format!("unknown word `{word}`: write `http.{lower}`");
        }
        _ => {}
    }
    if lower == "metadata" || lower.starts_with("metadata.") {
        return "metadata is not indexed: record it as an annotation, and write `annotation.key`".to_owned();
    }
    let flags = Flag::ALL.iter().map(|flag| flag.word());
    let words =
        flags.chain(Number::ALL.iter().map(|number| number.word())).chain(Text::ALL.iter().map(|text| text.word()));
    let known = words.chain(["service", "edge", "annotation", "rootcause"]);
    let nearest = known.map(|known| (distance(known, lower), known)).min();
    match nearest {
        Some((1..=2, known)) => format!("unknown word `{word}`: did you mean `{known}`?"),
        _ => format!("unknown word `{word}`: for an annotation, write `annotation.{word}`"),
    }
}

/// Returns how many characters must be added, removed or replaced to make one word from another.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(32).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = corner + usize::from(x != *y);
            corner = row[j + 1];
            row[j + 1] = replaced.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
