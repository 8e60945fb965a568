//! Exceptions: what went wrong in a segment or subsegment.

use std::backtrace::Backtrace;
use std::borrow::Cow;
use std::error::Error;
use std::fmt::{self, Write as _};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::document::json;
use crate::redact::{redacted, redacted_keeping, without_values};
use crate::to_exception::{is_io_error, own_name};
use crate::user_code;

/// Errors of a `source()` chain that are described.
const MAX_CHAIN: usize = 10;
/// Characters of a message that are kept.
const MAX_MESSAGE: usize = 4096;
/// Characters of a type name that are kept.
const MAX_TYPE: usize = 200;
/// Stack frames of an exception that are kept.
const MAX_FRAMES: usize = 100;

/// What `std::io::Error` is called: `Error` alone says little, and its `Debug` text begins with its variant.
const IO_ERROR: &str = "io::Error";

/// A failure as documents describe it: type, message, whether it happened downstream, and what caused it.
///
/// Made from any error (its `source()` chain comes along), from a plain text, or by hand.
///
/// The same error recorded on several entities on its way up is described once, where it was recorded first;
/// the others refer to it by id.
///
/// ```
/// use xray_core::Exception;
///
/// let error = "x".parse::<u8>().unwrap_err();
/// let described = Exception::from(&error);
/// assert_eq!((described.kind(), described.message()), ("ParseIntError", "invalid digit found in string"));
///
/// let by_hand = Exception::new("ThrottlingException", "rate exceeded").remote(true);
/// ```
#[derive(Clone, Debug)]
pub struct Exception {
    identity: Identity,
    kind: String,
    message: String,
    remote: bool,
    holds_values: bool,
    stack: Vec<Frame>,
    truncated: usize,
    /// The errors that caused this one, nearest first.
    sources: Vec<Source>,
}

/// One error of a `source()` chain.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) kind: String,
    pub(crate) message: String,
}

/// One line of a stack trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) path: String,
    pub(crate) line: u32,
    pub(crate) label: String,
}

/// What makes two exceptions the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// Made by hand: clones are the same.
    Made(u64),
    /// Made from an error value, which has no identity in Rust: the same text, on the way up.
    Alike(u64),
    /// A panic that unwinds: the same value, on the way up.
    Panic(u64),
    /// The panic that unwinds the thread, of which nothing else is known.
    Unwinding,
}

impl Exception {
    /// An exception of the type `kind`. Its clones are the same exception.
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> Exception {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let identity = Identity::Made(MADE.fetch_add(1, Relaxed));
        Exception::with_identity(identity, kind.into(), message.into())
    }

    fn with_identity(identity: Identity, kind: String, message: String) -> Exception {
        Exception::with(identity, kind, &redacted(&message))
    }

    /// The message is redacted already.
    fn with(identity: Identity, kind: String, message: &str) -> Exception {
        Exception {
            identity,
            kind: shortened(redacted(&kind).into_owned(), MAX_TYPE),
            message: json::cut(message, MAX_MESSAGE).to_owned(),
            remote: false,
            holds_values: false,
            stack: Vec::new(),
            truncated: 0,
            sources: Vec::new(),
        }
    }

    /// What can be told of an error by its text alone: that, and the name of its type.
    ///
    /// ```
    /// assert_eq!(xray_core::Exception::from_display(&"broken".to_owned()).kind(), "String");
    /// ```
    pub fn from_display<E: fmt::Display>(error: &E) -> Exception {
        let message = text_of(error);
        Exception::with_identity(
            Identity::alike(&message),
            own_name(std::any::type_name::<E>()).unwrap_or_default().to_owned(),
            message,
        )
    }

    /// What can be told of an error that does not implement [`Error`]: its text, and the type that its `Debug`
    /// text begins with.
    ///
    /// ```
    /// #[derive(Debug)]
    /// struct NotAnError(u8);
    /// # impl std::fmt::Display for NotAnError {
    /// #     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("broken") }
    /// # }
    ///
    /// let exception = xray_core::Exception::from_debug(&NotAnError(7));
    /// assert_eq!((exception.kind(), exception.message()), ("NotAnError", "broken"));
    /// ```
    pub fn from_debug<E: fmt::Debug + fmt::Display + ?Sized>(error: &E) -> Exception {
        let message = text_of(error);
        Exception::with_identity(Identity::alike(&message), leading_path(error), message)
    }

    /// What can be told of an error by its `Debug` text alone: that, and the name of its type.
    ///
    /// ```
    /// #[derive(Debug)]
    /// struct OutOfPaper { tray: u8 }
    ///
    /// let exception = xray_core::Exception::debugged(&OutOfPaper { tray: 2 });
    /// assert_eq!((exception.kind(), exception.message()), ("OutOfPaper", "OutOfPaper { tray: 2 }"));
    /// ```
    pub fn debugged<E: fmt::Debug>(error: &E) -> Exception {
        let message = text_of(&format_args!("{error:?}"));
        let kind = own_name(std::any::type_name::<E>()).unwrap_or_default().to_owned();
        Exception::with_identity(Identity::alike(&message), kind, message)
    }

    /// What can be told of a panic by what [`catch_unwind`](std::panic::catch_unwind) returns: the type is `panic`.
    ///
    /// ```
    /// let payload = std::panic::catch_unwind(|| panic!("out of paper")).unwrap_err();
    /// assert_eq!(xray_core::Exception::from_panic(&*payload).message(), "out of paper");
    /// ```
    pub fn from_panic(payload: &(dyn std::any::Any + Send)) -> Exception {
        panic_exception(payload)
    }

    /// Says that a called service failed, rather than this one.
    #[must_use]
    pub fn remote(mut self, remote: bool) -> Exception {
        self.remote = remote;
        self
    }

    /// Takes the stack frames of a backtrace, at most 100. A backtrace that was not captured adds none.
    #[must_use]
    pub fn backtrace(mut self, backtrace: &Backtrace) -> Exception {
        let mut frames = parse_backtrace(&backtrace.to_string());
        self.truncated = frames.len().saturating_sub(MAX_FRAMES);
        frames.truncate(MAX_FRAMES);
        self.stack = frames;
        self
    }

    /// The name of the error's type.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The error's text.
    pub fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn is_remote(&self) -> bool {
        self.remote
    }

    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }

    pub(crate) fn sources(&self) -> &[Source] {
        &self.sources
    }

    pub(crate) fn has_stack(&self) -> bool {
        !self.stack.is_empty()
    }

    pub(crate) fn into_stack(self) -> (Vec<Frame>, usize) {
        (self.stack, self.truncated)
    }

    /// Describes an error whose messages may show this query string of the call's own URL, as the application asked.
    pub(crate) fn keeping_query(error: &(dyn Error + 'static), query: &str) -> Exception {
        Exception::from_error_with(error, type_by_debug(error), |text| redacted_keeping(text, query))
    }

    /// Says that the messages may hold values of the application, as those of databases do. Unless the recorder
    /// collects queries (`AWS_XRAY_COLLECT_SQL_QUERIES`), the messages are cut to the kind of error, SQLSTATE and the
    /// database's own code: to the first line, in which `?` replaces numbers and all that is quoted or in parentheses.
    ///
    /// ```
    /// # let (recorder, traces) = xray_core::Recorder::in_memory();
    /// # let segment = recorder.begin("shop");
    /// let duplicate = xray_core::Exception::new("23505", "Key (email)=(joe@example.com) already exists");
    /// segment.error(duplicate.holding_values());
    /// # segment.close();
    /// # assert!(traces.take().single().root().json()["cause"].to_string().contains("Key (?) already exists"));
    /// ```
    #[must_use]
    pub fn holding_values(mut self) -> Exception {
        self.holds_values = true;
        self
    }

    /// Replaces the values that the messages may hold.
    pub(crate) fn without_values(mut self) -> Exception {
        if self.holds_values {
            self.message = without_values(&self.message);
            for source in &mut self.sources {
                source.message = without_values(&source.message);
            }
        }
        self
    }

    /// An error of a type that the compiler knows, which may be a pointer to a `dyn Error`.
    pub(crate) fn typed<E: Error>(error: &E) -> Exception {
        let kind = match own_name(std::any::type_name::<E>()) {
            Some(name) => name.to_owned(),
            None if is_io_error(error) => IO_ERROR.to_owned(),
            None => leading_path(error),
        };
        Exception::from_error(error, kind)
    }

    fn from_error(error: &dyn Error, kind: String) -> Exception {
        Exception::from_error_with(error, kind, redacted)
    }

    fn from_error_with(error: &dyn Error, kind: String, redact: impl Fn(&str) -> Cow<'_, str>) -> Exception {
        let message = text_of(error);
        let mut exception = Exception::with(Identity::alike(&message), kind, &redact(&message));
        let mut next = source_of(error);
        while let Some(source) = next.filter(|_| exception.sources.len() + 1 < MAX_CHAIN) {
            exception.sources.push(Source {
                kind: shortened(type_by_debug(source), MAX_TYPE),
                message: shortened(redact(&text_of(source)).into_owned(), MAX_MESSAGE),
            });
            next = source_of(source);
        }
        exception
    }
}

impl Identity {
    /// Whether an exception that was recorded below is this one.
    pub(crate) fn is(self, below: Identity) -> bool {
        self == below || matches!((self, below), (Identity::Unwinding, Identity::Panic(_)))
    }

    pub(crate) fn alike(message: &str) -> Identity {
        let mut hasher = DefaultHasher::new();
        message.hash(&mut hasher);
        Identity::Alike(hasher.finish())
    }
}

impl<E: Error> From<&E> for Exception {
    fn from(error: &E) -> Exception {
        Exception::typed(error)
    }
}

impl<'a> From<&'a (dyn Error + 'static)> for Exception {
    fn from(error: &'a (dyn Error + 'static)) -> Exception {
        Exception::from_error(error, type_by_debug(error))
    }
}

impl<'a> From<&'a (dyn Error + Send + Sync + 'static)> for Exception {
    fn from(error: &'a (dyn Error + Send + Sync + 'static)) -> Exception {
        Exception::from_error(error, type_by_debug(error))
    }
}

/// A plain text has no type.
impl From<&str> for Exception {
    fn from(message: &str) -> Exception {
        Exception::new("", message)
    }
}

/// A plain text has no type.
impl From<String> for Exception {
    fn from(message: String) -> Exception {
        Exception::new("", message)
    }
}

/// The exception of the panic that unwinds this thread, for those who have not caught it.
pub(crate) fn unwinding_exception(message: &str) -> Exception {
    Exception::with_identity(Identity::Unwinding, "panic".to_owned(), message.to_owned())
}

/// The exception of a panic, from what it carries: the type is `panic`.
pub(crate) fn panic_exception(payload: &(dyn std::any::Any + Send)) -> Exception {
    let message = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text.as_str(),
        _ => "panic with a value that is not text",
    };
    // The value moves up in its box: where it lies stays the same, until another panic takes the place.
    let place = std::ptr::from_ref(payload).cast::<()>() as usize;
    let mut hasher = DefaultHasher::new();
    (place, message).hash(&mut hasher);
    Exception::with_identity(Identity::Panic(hasher.finish()), "panic".to_owned(), message.to_owned())
}

/// The text of an error, by its own code.
fn text_of<E: fmt::Display + ?Sized>(error: &E) -> String {
    user_code::text(error, "the error's own text panicked")
}

/// What caused an error, by its own code.
fn source_of<'e>(error: &'e (dyn Error + 'e)) -> Option<&'e (dyn Error + 'static)> {
    user_code::call(|| error.source()).flatten()
}

/// Returns an error and what caused it, nearest first, as an [`Exception`] would describe them: ten at most, since
/// some chains have no end, and without a panic of their own code. For adapters.
pub fn error_chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| source_of(*error)).take(MAX_CHAIN)
}

/// Whether an error says that a limit of this side has run out, somewhere in its chain of causes: the other side did
/// not fail.
///
/// Clients have types of their own for that, which are named alike.
pub(crate) fn is_time_limit(error: &(dyn Error + 'static)) -> bool {
    const NAMES: [&str; 4] = ["Elapsed", "ThroughputBelowMinimum", "TimedOut", "Timeout"];
    let is_limit = |error: &(dyn Error + 'static)| match error.downcast_ref::<io::Error>() {
        Some(error) => error.kind() == io::ErrorKind::TimedOut,
        None => {
            let kind = type_by_debug(error);
            NAMES.iter().any(|name| kind.contains(name))
        }
    };
    std::iter::successors(Some(error), |error| wrapped_by(*error)).take(MAX_CHAIN).any(is_limit)
}

/// What an error wraps. The source of an `io::Error` is that of the error in it, which it skips.
fn wrapped_by<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => source_of(error),
    }
}

fn shortened(text: String, limit: usize) -> String {
    match json::cut(&text, limit).len() {
        whole if whole == text.len() => text,
        end => text[..end].to_owned(),
    }
}

/// A `dyn Error` does not tell its type; its `Debug` text nearly always begins with its name or its variant's,
/// some (`hyper::Error`, `reqwest::Error`) with a path.
fn type_by_debug(error: &(dyn Error + 'static)) -> String {
    if error.is::<std::io::Error>() { IO_ERROR.to_owned() } else { leading_path(error) }
}

/// Returns the type's name that a `Debug` text begins with, or `Error`.
///
/// A `Debug` text may be anything, a secret too: a path counts only in the form that derived code gives it, before `(`
/// or ` {`, or alone as the name of a unit type.
fn leading_path<T: fmt::Debug + ?Sized>(value: &T) -> String {
    /// Takes the beginning of the text, then stops the formatting.
    struct Beginning(String);
    impl fmt::Write for Beginning {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.push_str(text);
            if self.0.len() <= MAX_TYPE { Ok(()) } else { Err(fmt::Error) }
        }
    }
    let mut beginning = Beginning(String::new());
    // An error means that enough is known. What comes before a panic says nothing.
    let shown = user_code::call(|| write!(beginning, "{value:?}"));
    let text = if shown.is_some() { beginning.0 } else { String::new() };
    let end = text.find(|c: char| !matches!(c, '_' | ':') && !c.is_ascii_alphanumeric()).unwrap_or(text.len());
    let (path, rest) = text.split_at(end);
    if is_type(path, rest.is_empty()) && (rest.is_empty() || rest.starts_with('(') || rest.starts_with(" {")) {
        path.to_owned()
    } else {
        "Error".to_owned()
    }
}

/// Whether a text is the path of a type. One that is `bare`, without fields, must look like words: letters only. Capitals
/// and digits alone, as in keys, make a name only when they are few: `IO`.
fn is_type(path: &str, bare: bool) -> bool {
    let mut parts = path.rsplit("::");
    let is_name = |part: &str| part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && !part.contains(':');
    let is_type_name = |name: &str| {
        let is_word =
            name.bytes().all(|byte| byte.is_ascii_alphabetic()) && name.bytes().any(|byte| byte.is_ascii_lowercase());
        let is_short = name.len() <= 8 || name.bytes().any(|byte| byte.is_ascii_lowercase());
        let looks_right = if bare { is_word && name.len() <= 60 } else { is_short };
        name.starts_with(|c: char| c.is_ascii_uppercase()) && is_name(name) && looks_right
    };
    parts.next().is_some_and(is_type_name) && parts.all(is_name)
}

/// Reads the text of a backtrace, lines `N: label` each followed by `at path:line:column` where known. The
/// standard library offers no other access to the frames.
fn parse_backtrace(text: &str) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(place) = line.strip_prefix("at ") {
            let mut parts = place.rsplitn(3, ':');
            let (_column, line, path) = (parts.next(), parts.next(), parts.next());
            if let (Some(frame), Some(path)) = (frames.last_mut(), path) {
                frame.path = path.to_owned();
                frame.line = line.and_then(|line| line.parse().ok()).unwrap_or(0);
            }
        } else if let Some((number, label)) = line.split_once(": ")
            && number.parse::<u32>().is_ok()
        {
            frames.push(Frame { path: String::new(), line: 0, label: label.to_owned() });
        }
    }
    // The frames of the recording itself say nothing about the failure.
    let own = |frame: &Frame| {
        let label = frame.label.trim_start_matches('<');
        label.starts_with("xray_core::") || label.starts_with("std::backtrace")
    };
    let recording = frames.iter().take_while(|frame| own(frame)).count();
    frames.drain(..recording);
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Outer(std::num::ParseIntError);
    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("outer failed")
        }
    }
    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn a_chain_of_sources_is_described_in_order() {
        let error = Outer("x".parse::<u8>().unwrap_err());
        let exception = Exception::from(&error);
        assert_eq!((exception.kind(), exception.message()), ("Outer", "outer failed"));
        let [source] = exception.sources() else { panic!("one source, not {:?}", exception.sources()) };
        assert_eq!((&*source.kind, &*source.message), ("ParseIntError", "invalid digit found in string"));
        let boxed: Box<dyn Error + Send + Sync> = Box::new(error);
        assert_eq!(Exception::from(&*boxed).kind(), "Outer");
    }

    #[test]
    fn the_type_of_an_exception_loses_its_secrets_too() {
        assert_eq!(Exception::new("http://h/p?token=s3cret", "").kind(), "http://h/p");
        assert_eq!(Exception::new("app::Error<T>", "").kind(), "app::Error<T>");
    }

    #[test]
    fn an_endless_chain_of_sources_ends() {
        #[derive(Debug)]
        struct Endless;
        impl fmt::Display for Endless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("again")
            }
        }
        impl Error for Endless {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(&Endless)
            }
        }
        assert_eq!(Exception::from(&Endless).sources().len(), MAX_CHAIN - 1);
    }

    #[test]
    fn frames_are_read_from_a_backtrace() {
        let text = "   0: xray_core::cause::tests::x\n             at ./src/cause.rs:1:2\n   1: app::work\n             at /app/src/main.rs:83:9\n   2: __libc_start";
        let frames = parse_backtrace(text);
        assert_eq!(frames.len(), 2);
        assert_eq!(frames[0], Frame { path: "/app/src/main.rs".into(), line: 83, label: "app::work".into() });
        let exception = Exception::new("T", "m").backtrace(&Backtrace::force_capture());
        assert!(exception.has_stack());
    }

    #[test]
    fn a_type_is_taken_from_debug_only_where_it_reads_as_one() {
        struct Shown(&'static str);
        impl fmt::Debug for Shown {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.0)
            }
        }
        for (debug, want) in [
            ("NotFound", "NotFound"),
            ("Refused(\"x\")", "Refused"),
            ("Config { a: 1 }", "Config"),
            ("reqwest::Error { kind: Connect }", "reqwest::Error"),
            ("hyper::Error(Connect)", "hyper::Error"),
            ("Utf8Error { at: 1 }", "Utf8Error"),
            ("AKIAIOSFODNN7EXAMPLE is not a key", "Error"),
            ("AKIAIOSFODNN7EXAMPLE", "Error"),
            ("AKIAIOSFODNN7EXAMPLE(1)", "Error"),
            ("IO(1)", "IO"),
            ("Secret: s3cret", "Error"),
            ("s3cret", "Error"),
            ("\"quoted\"", "Error"),
            ("Two words", "Error"),
            ("::Odd", "Error"),
            ("", "Error"),
        ] {
            assert_eq!(leading_path(&Shown(debug)), want, "{debug}");
        }
    }
}
