//! Exceptions: descriptions of the failures in a segment or subsegment.

use std::backtrace::Backtrace;
use std::borrow::Cow;
use std::error::Error;
use std::fmt::{self, Write as _};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::document::json;
use crate::error_type::{is_io_error, own_name};
use crate::redact::{redacted, redacted_keeping, without_values};
use crate::user_code;

/// The largest number of errors that are described from a `source()` chain.
const MAX_CHAIN: usize = 10;
/// The largest length of a message, in characters.
const MAX_MESSAGE: usize = 4096;
/// The largest length of a type name, in characters.
const MAX_TYPE: usize = 200;
/// The largest number of stack frames of an exception.
const MAX_FRAMES: usize = 100;

/// The name of `std::io::Error` in documents: `Error` alone says little, and its `Debug` text starts with its variant.
const IO_ERROR: &str = "io::Error";

/// A failure as documents describe it: its type, its message, whether it happened downstream, and its causes.
///
/// Create one from any error, with its `source()` chain, from a text, or by hand. Most code does not need this type:
/// [`fault`](crate::Segment::fault), [`error`](crate::Segment::error) and the `try_` functions take errors directly.
///
/// If the same error is recorded on several entities on its way up, the first one describes it, and the others refer to
/// it by id.
///
/// A message has at most 4,096 characters, a type name 200, a stack 100 frames, and a chain of causes 10 errors. An entity
/// describes at most 32 exceptions.
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
///
/// It appears in the `cause` of the entity:
///
/// ```
/// use xray_core::{Exception, Recorder};
///
/// let (recorder, traces) = Recorder::in_memory();
/// let segment = recorder.begin("shop");
/// segment.fault(Exception::new("OutOfStock", "no paper left").remote(true));
/// segment.close();
///
/// let trace = traces.take().single();
/// let exception = &trace.root().json()["cause"]["exceptions"][0];
/// assert_eq!((&exception["type"], &exception["remote"]), (&"OutOfStock".into(), &true.into()));
/// assert!(trace.root().has("fault"));
/// ```
///
/// # Secrets
///
/// Messages of errors often contain secrets, which are removed before the message is recorded:
///
/// | in the message | recorded |
/// |---|---|
/// | `for url (https://u:p@host/path?signature=…)` | `for url (https://host/path)` |
/// | `password=…`, `"token": "…"`, `AccountKey=…` | `password=***`, `"token": "***"`, `AccountKey=***` |
/// | `Authorization: Bearer …` | `Authorization: ***` |
/// | `app:p@tcp(db:3306)/shop` | `tcp(db:3306)/shop` |
///
/// Values in other forms are recorded. For errors of databases, which quote values of the application, use
/// [`holding_values`](Exception::holding_values).
///
/// ```
/// let exception = xray_core::Exception::new("Refused", "connecting to https://app:hunter2@db.test/?sslkey=abc failed");
/// assert_eq!(exception.message(), "connecting to https://db.test/ failed");
/// ```
#[derive(Clone, Debug)]
pub struct Exception {
    identity: Identity,
    kind: String,
    message: String,
    remote: bool,
    holds_values: bool,
    /// The text that was reduced because it holds values. Errors that wrap this one repeat it.
    reduced: Option<String>,
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

/// Identifies an exception, to recognise it when it is recorded again on its way up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// The number of an exception made by hand. Clones share it.
    Made(u64),
    /// The hash of an error's text. Error values have no identity in Rust.
    Alike(u64),
    /// The hash of a panic's payload and its address.
    Panic(u64),
    /// The panic that unwinds the current thread, whose payload is not known.
    Unwinding,
}

impl Exception {
    /// Creates an exception of the type `kind`. Its clones are the same exception.
    ///
    /// An empty `kind` leaves the type out.
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> Exception {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let identity = Identity::Made(MADE.fetch_add(1, Relaxed));
        Exception::with_identity(identity, kind.into(), message.into())
    }

    /// Describes an error of which only the text is known, such as a log event. Recorded again on the way up, the same text
    /// refers to the same exception.
    ///
    /// ```
    /// let exception = xray_core::Exception::from_text("printer on fire");
    /// assert_eq!((exception.kind(), exception.message()), ("", "printer on fire"));
    /// ```
    pub fn from_text(message: impl Into<String>) -> Exception {
        let message = message.into();
        Exception::with_identity(Identity::alike(&message), String::new(), message)
    }

    /// Adds the text of an error that caused this one, and the ones added before. At most 10 errors of a chain are kept.
    #[must_use]
    pub fn caused_by(mut self, message: impl Into<String>) -> Exception {
        if self.sources.len() + 1 < MAX_CHAIN {
            let message = shortened(redacted(&message.into()).into_owned(), MAX_MESSAGE);
            self.sources.push(Source { kind: String::new(), message });
        }
        self
    }

    /// Replaces the type.
    #[must_use]
    pub fn with_kind(mut self, kind: impl Into<String>) -> Exception {
        self.kind = shortened(redacted(&kind.into()).into_owned(), MAX_TYPE);
        self
    }

    /// Creates an exception from a message that may contain secrets.
    fn with_identity(identity: Identity, kind: String, message: String) -> Exception {
        Exception::with(identity, kind, &redacted(&message))
    }

    /// Creates an exception from a message that is already redacted.
    fn with(identity: Identity, kind: String, message: &str) -> Exception {
        Exception {
            identity,
            kind: shortened(redacted(&kind).into_owned(), MAX_TYPE),
            message: json::cut(message, MAX_MESSAGE).to_owned(),
            remote: false,
            holds_values: false,
            reduced: None,
            stack: Vec::new(),
            truncated: 0,
            sources: Vec::new(),
        }
    }

    /// Creates an exception from a value that only implements `Display`: its text, and the name of its type.
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

    /// Creates an exception from a value that implements `Display` and `Debug`, but not [`Error`]: its text, and the
    /// type name at the start of its `Debug` text. Unlike [`from_display`](Exception::from_display), it also names the
    /// type of a trait object.
    ///
    /// ```
    /// #[derive(Debug)]
    /// struct NotAnError(u8);
    /// # impl std::fmt::Display for NotAnError {
    /// #     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("broken") }
    /// # }
    ///
    /// let exception = xray_core::Exception::from_dyn(&NotAnError(7));
    /// assert_eq!((exception.kind(), exception.message()), ("NotAnError", "broken"));
    /// ```
    pub fn from_dyn<E: fmt::Debug + fmt::Display + ?Sized>(error: &E) -> Exception {
        let message = text_of(error);
        Exception::with_identity(Identity::alike(&message), leading_path(error), message)
    }

    /// Creates an exception from a value that only implements `Debug`: its `Debug` text, and the name of its type.
    ///
    /// ```
    /// #[derive(Debug)]
    /// struct OutOfPaper { tray: u8 }
    ///
    /// let exception = xray_core::Exception::from_debug(&OutOfPaper { tray: 2 });
    /// assert_eq!((exception.kind(), exception.message()), ("OutOfPaper", "OutOfPaper { tray: 2 }"));
    /// ```
    pub fn from_debug<E: fmt::Debug>(error: &E) -> Exception {
        let message = text_of(&format_args!("{error:?}"));
        let kind = own_name(std::any::type_name::<E>()).unwrap_or_default().to_owned();
        Exception::with_identity(Identity::alike(&message), kind, message)
    }

    /// Creates an exception from the payload of a panic, as [`catch_unwind`](std::panic::catch_unwind) returns it. Its
    /// type is `panic`.
    ///
    /// ```
    /// let payload = std::panic::catch_unwind(|| panic!("out of paper")).unwrap_err();
    /// assert_eq!(xray_core::Exception::from_panic(&*payload).message(), "out of paper");
    /// ```
    pub fn from_panic(payload: &(dyn std::any::Any + Send)) -> Exception {
        panic_exception(payload)
    }

    /// Sets whether the failure happened in a called service instead of this one (default: `false`). Calling this again
    /// replaces the value.
    #[must_use]
    pub fn remote(mut self, remote: bool) -> Exception {
        self.remote = remote;
        self
    }

    /// Adds the stack frames of a backtrace, at most 100. A backtrace that was not captured adds none. Calling this again
    /// replaces the frames.
    ///
    /// The SDK does not capture backtraces itself. `Backtrace::capture()` does only if `RUST_BACKTRACE` or
    /// `RUST_LIB_BACKTRACE` is set.
    ///
    /// ```
    /// use std::backtrace::Backtrace;
    /// use xray_core::Exception;
    ///
    /// let exception = Exception::new("OutOfPaper", "tray 2 is empty").backtrace(&Backtrace::force_capture());
    /// ```
    #[must_use]
    pub fn backtrace(mut self, backtrace: &Backtrace) -> Exception {
        let mut frames = parse_backtrace(&backtrace.to_string());
        self.truncated = frames.len().saturating_sub(MAX_FRAMES);
        frames.truncate(MAX_FRAMES);
        self.stack = frames;
        self
    }

    /// Returns the name of the error's type. It is empty for an exception that was created from text.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Returns the error's message, without secrets.
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

    /// Returns the stack frames, and the number of those that were cut off.
    pub(crate) fn into_stack(self) -> (Vec<Frame>, usize) {
        (self.stack, self.truncated)
    }

    /// Creates an exception from an error whose messages may contain this query string, that of the call's own URL. The
    /// application has asked to keep it.
    pub(crate) fn keeping_query(error: &(dyn Error + 'static), query: &str) -> Exception {
        Exception::from_error_with(error, type_by_debug(error), |text| redacted_keeping(text, query))
    }

    /// Marks the messages as possibly containing the application's values, as the errors of databases do.
    ///
    /// Unless the recorder collects queries (`AWS_XRAY_COLLECT_SQL_QUERIES`, default: off), the messages are reduced to
    /// the kind of error, SQLSTATE and the database's own code: only the first line is kept, and `?` replaces numbers,
    /// quoted text and text in parentheses.
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

    /// Replaces the values in messages that are marked as holding values.
    pub(crate) fn without_values(mut self) -> Exception {
        if self.holds_values {
            // The innermost message is the database's own, and the others usually contain it.
            let innermost = self.sources.last().map_or(&self.message, |source| &source.message);
            self.reduced = Some(innermost.clone()).filter(|text| without_values(text) != *text);
            for message in self.messages() {
                *message = without_values(message);
            }
        }
        self
    }

    /// Takes the text that was reduced.
    pub(crate) fn take_reduced(&mut self) -> Option<String> {
        self.reduced.take()
    }

    /// Reduces a text that holds values wherever the messages contain it.
    pub(crate) fn reduce(&mut self, text: &str) {
        for message in self.messages() {
            if message.contains(text) {
                *message = message.replace(text, &without_values(text));
            }
        }
    }

    fn messages(&mut self) -> impl Iterator<Item = &mut String> {
        std::iter::once(&mut self.message).chain(self.sources.iter_mut().map(|source| &mut source.message))
    }

    /// Creates an exception from an error of a known type, which may be a pointer to a `dyn Error`.
    pub(crate) fn typed<E: Error>(error: &E) -> Exception {
        let kind = match own_name(std::any::type_name::<E>()) {
            Some("Error") if is_io_error(error) => IO_ERROR.to_owned(),
            Some(name) => name.to_owned(),
            None if is_io_error(error) => IO_ERROR.to_owned(),
            None => leading_path(error),
        };
        Exception::from_error(error, kind)
    }

    /// Describes an error and its causes, with all their messages redacted.
    fn from_error(error: &dyn Error, kind: String) -> Exception {
        Exception::from_error_with(error, kind, redacted)
    }

    /// Describes an error and its causes, with messages redacted by a function.
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
    /// Whether this is the exception that was recorded below.
    pub(crate) fn is(self, below: Identity) -> bool {
        self == below || matches!((self, below), (Identity::Unwinding, Identity::Panic(_)))
    }

    /// Identifies an error by its message.
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

/// Creates an exception without a type.
impl From<&str> for Exception {
    fn from(message: &str) -> Exception {
        Exception::new("", message)
    }
}

/// Creates an exception without a type.
impl From<String> for Exception {
    fn from(message: String) -> Exception {
        Exception::new("", message)
    }
}

/// Returns the exception of the panic that unwinds this thread, for code that has not caught it.
pub(crate) fn unwinding_exception(message: &str) -> Exception {
    Exception::with_identity(Identity::Unwinding, "panic".to_owned(), message.to_owned())
}

/// Returns the exception of a panic with this payload.
pub(crate) fn panic_exception(payload: &(dyn std::any::Any + Send)) -> Exception {
    let message = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text.as_str(),
        _ => "panic with a payload that is not text",
    };
    // The payload is boxed, so its address stays the same on the way up. A later panic may reuse the address.
    let place = std::ptr::from_ref(payload).cast::<()>() as usize;
    let mut hasher = DefaultHasher::new();
    (place, message).hash(&mut hasher);
    Exception::with_identity(Identity::Panic(hasher.finish()), "panic".to_owned(), message.to_owned())
}

/// Returns the text of an error, catching a panic of its own code.
fn text_of<E: fmt::Display + ?Sized>(error: &E) -> String {
    user_code::text(error, "the error's own text panicked")
}

/// Returns the source of an error, catching a panic of its own code.
fn source_of<'e>(error: &'e (dyn Error + 'e)) -> Option<&'e (dyn Error + 'static)> {
    user_code::call(|| error.source()).flatten()
}

/// Returns an error and its causes, nearest first, as an [`Exception`] describes them. It returns ten at most, since some
/// chains are endless, and catches panics of the errors' own code. For adapters.
pub fn error_chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| source_of(*error)).take(MAX_CHAIN)
}

/// Whether an error or one of its causes says that a time limit of this side has expired, so the other side did not fail.
///
/// Clients have types of their own for this, with similar names.
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

/// Returns the error that an error wraps. Unlike `source()`, it does not skip the error inside an `io::Error`.
fn wrapped_by<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => source_of(error),
    }
}

/// Cuts a text to a number of characters.
fn shortened(text: String, limit: usize) -> String {
    match json::cut(&text, limit).len() {
        whole if whole == text.len() => text,
        end => text[..end].to_owned(),
    }
}

/// Returns the type name of a `dyn Error`, by its `Debug` text. This nearly always starts with the name of the type or
/// variant, or with a path (`hyper::Error`, `reqwest::Error`).
fn type_by_debug(error: &(dyn Error + 'static)) -> String {
    if error.is::<std::io::Error>() { IO_ERROR.to_owned() } else { leading_path(error) }
}

/// Returns the type name at the start of a `Debug` text, or `Error`.
///
/// A `Debug` text may be anything, including a secret. A path therefore counts only in the form of derived code: before
/// `(` or ` {`, or alone as the name of a unit type.
fn leading_path<T: fmt::Debug + ?Sized>(value: &T) -> String {
    /// Keeps the start of the text, then stops the formatting.
    struct Start(String);
    impl fmt::Write for Start {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.push_str(text);
            if self.0.len() <= MAX_TYPE { Ok(()) } else { Err(fmt::Error) }
        }
    }
    let mut start = Start(String::new());
    // An error means that the start is complete. Text before a panic is not used.
    let formatted = user_code::call(|| write!(start, "{value:?}"));
    let text = if formatted.is_some() { start.0 } else { String::new() };
    let end = text.find(|c: char| !matches!(c, '_' | ':') && !c.is_ascii_alphanumeric()).unwrap_or(text.len());
    let (path, rest) = text.split_at(end);
    if is_type(path, rest.is_empty()) && (rest.is_empty() || rest.starts_with('(') || rest.starts_with(" {")) {
        path.to_owned()
    } else {
        "Error".to_owned()
    }
}

/// Whether a text is the path of a type. Without fields (`bare`), its name must consist of letters only and look like a
/// word. A name of only capitals and digits, as keys have them, must be short, such as `IO`.
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

/// Parses the text of a backtrace: lines `N: label`, each followed by `at path:line:column` if known. The standard
/// library offers no other access to the frames.
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
    // The frames of the SDK itself say nothing about the failure.
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
    fn the_type_of_an_exception_is_redacted_too() {
        assert_eq!(Exception::new("http://h/p?token=s3cret", "").kind(), "http://h/p");
        assert_eq!(Exception::new("app::Error<T>", "").kind(), "app::Error<T>");
    }

    #[test]
    fn an_endless_chain_of_sources_is_cut() {
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
    fn frames_are_parsed_from_a_backtrace() {
        let text = "   0: xray_core::cause::tests::x\n             at ./src/cause.rs:1:2\n   1: app::work\n             at /app/src/main.rs:83:9\n   2: __libc_start";
        let frames = parse_backtrace(text);
        assert_eq!(frames.len(), 2);
        assert_eq!(frames[0], Frame { path: "/app/src/main.rs".into(), line: 83, label: "app::work".into() });
        let exception = Exception::new("T", "m").backtrace(&Backtrace::force_capture());
        assert!(exception.has_stack());
    }

    #[test]
    fn a_debug_text_names_the_type_only_if_it_looks_like_one() {
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
