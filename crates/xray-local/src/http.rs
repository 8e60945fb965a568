//! The subset of HTTP/1.1 that the calls of SDKs need: one request per connection, limited in size.

use std::io::{self, BufRead, BufReader, Read, Write};

use serde_json::{Value, json};

/// Maximum bytes of a request's head, and of each line between chunks.
const MAX_HEAD: u64 = 16 << 10;

/// Maximum bytes of a request's body: enough for several thousand reports.
const MAX_BODY: u64 = 1 << 20;

/// A request, read completely.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Without the query.
    pub(crate) path: String,
    pub(crate) body: Vec<u8>,
}

/// A response: always JSON, and always the last on its connection.
#[derive(Debug, PartialEq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

/// Why a request could not be read.
#[derive(Debug)]
pub(crate) enum Unread {
    /// The client has gone and waits for no response.
    Gone,
    /// The request is invalid; this response should be sent.
    Refused(Response),
}

impl Request {
    /// Reads a request. If the client sends an `Expect` header, writes `100 Continue` to `output` before the body.
    pub(crate) fn read(input: impl Read, mut output: impl Write) -> Result<Request, Unread> {
        let mut input = BufReader::new(input);
        let head = read_head(&mut input)?;
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Request::new(&mut headers);
        let Ok(httparse::Status::Complete(_)) = parsed.parse(&head) else {
            return Err(refused(400, "not an HTTP/1.1 request"));
        };
        let (Some(method), Some(target)) = (parsed.method, parsed.path) else {
            return Err(refused(400, "not an HTTP/1.1 request"));
        };
        let length = Length::of(parsed.headers)?;
        let expects = parsed.headers.iter().any(|header| header.name.eq_ignore_ascii_case("expect"));
        if expects && length != Length::Known(0) {
            output.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let body = match length {
            Length::Known(length) => read_exactly(&mut input, length)?,
            Length::Chunked => read_chunks(&mut input)?,
        };
        let path = target.split('?').next().unwrap_or(target).to_owned();
        Ok(Request { method: method.to_owned(), path, body })
    }
}

/// How the length of a body is given.
#[derive(Debug, PartialEq, Eq)]
enum Length {
    Known(u64),
    Chunked,
}

impl Length {
    fn of(headers: &[httparse::Header<'_>]) -> Result<Length, Unread> {
        let named = |name: &'static str| headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
        if let Some(coding) = named("transfer-encoding").next() {
            let chunked = coding.value.eq_ignore_ascii_case(b"chunked");
            return if chunked {
                Ok(Length::Chunked)
            } else {
                Err(refused(400, "unsupported Transfer-Encoding: only `chunked` is supported"))
            };
        }
        let mut length = None;
        for header in named("content-length") {
            let stated = std::str::from_utf8(header.value).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
            let stated: Option<u64> = stated.and_then(|text| text.parse().ok());
            // Conflicting lengths enable request smuggling; here they would only cause a wait for a missing body.
            if stated.is_none() || length.is_some_and(|length| Some(length) != stated) {
                return Err(refused(400, "invalid Content-Length"));
            }
            length = stated;
        }
        match length.unwrap_or(0) {
            length if length > MAX_BODY => Err(refused(413, "the body is larger than 1 MiB")),
            length => Ok(Length::Known(length)),
        }
    }
}

/// Reads the request line and the headers, including the empty line that ends them.
fn read_head(input: &mut impl BufRead) -> Result<Vec<u8>, Unread> {
    let mut input = input.take(MAX_HEAD);
    let mut head = Vec::new();
    loop {
        let begin = head.len();
        input.read_until(b'\n', &mut head)?;
        match &head[begin..] {
            // Empty lines before a request are skipped.
            b"\r\n" | b"\n" if begin == 0 => head.clear(),
            b"\r\n" | b"\n" => return Ok(head),
            [.., b'\n'] => {}
            _ if input.limit() == 0 => return Err(refused(431, "the head is larger than 16 KiB")),
            [] if begin == 0 => return Err(Unread::Gone),
            _ => return Err(refused(400, "the head is incomplete")),
        }
    }
}

fn read_exactly(input: &mut impl Read, length: u64) -> Result<Vec<u8>, Unread> {
    let mut body = Vec::new();
    input.take(length).read_to_end(&mut body)?;
    if body.len() as u64 == length { Ok(body) } else { Err(refused(400, "the body is incomplete")) }
}

fn read_chunks(input: &mut impl BufRead) -> Result<Vec<u8>, Unread> {
    let mut body = Vec::new();
    loop {
        let mut line = Vec::new();
        input.take(MAX_HEAD).read_until(b'\n', &mut line)?;
        let Ok(httparse::Status::Complete((_, size))) = httparse::parse_chunk_size(&line) else {
            return Err(refused(400, "invalid chunk size"));
        };
        match size {
            // Trailers that may follow are ignored.
            0 => return Ok(body),
            size if size > MAX_BODY - body.len() as u64 => {
                return Err(refused(413, "the body is larger than 1 MiB"));
            }
            size => body.extend(read_exactly(input, size)?),
        }
        if read_exactly(input, 2)? != b"\r\n" {
            return Err(refused(400, "a chunk does not have the stated size"));
        }
    }
}

impl Response {
    pub(crate) fn ok(body: Value) -> Response {
        Response { status: 200, body }
    }

    pub(crate) fn error(status: u16, message: impl Into<String>) -> Response {
        Response { status, body: json!({ "message": message.into() }) }
    }

    pub(crate) fn write(&self, output: &mut impl Write) -> io::Result<()> {
        let Response { status, body } = self;
        let (reason, body) = (reason(*status), body.to_string());
        let allow = if *status == 405 { "Allow: POST\r\n" } else { "" };
        let length = body.len();
        let response = format!(
            "HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{allow}\
             Connection: close\r\n\r\n{body}"
        );
        output.write_all(response.as_bytes())
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "",
    }
}

fn refused(status: u16, message: &str) -> Unread {
    Unread::Refused(Response::error(status, message))
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Unread {
        match error.kind() {
            io::ErrorKind::TimedOut => refused(408, "the request took too long"),
            _ => Unread::Gone,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &[u8]) -> Result<Request, Unread> {
        Request::read(text, io::sink())
    }

    fn status(text: &str) -> u16 {
        match read(text.as_bytes()) {
            Ok(_) => 200,
            Err(Unread::Gone) => 0,
            Err(Unread::Refused(response)) => response.status,
        }
    }

    #[test]
    fn requests_are_read_completely() {
        for (text, method, path, body) in [
            ("POST /a HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}more", "POST", "/a", "{}"),
            ("POST /a?b=/c HTTP/1.0\r\n\r\n{}", "POST", "/a", ""),
            ("\r\n\nGET /a HTTP/1.1\r\n\r\n", "GET", "/a", ""),
            ("GET /a HTTP/1.1\nHost: x\n\n", "GET", "/a", ""),
            (
                "POST /a HTTP/1.1\r\ntransfer-encoding: CHUNKED\r\n\r\n1;x=y\r\n{\r\n01\r\n}\r\n0\r\nT: x\r\n\r\n",
                "POST",
                "/a",
                "{}",
            ),
            ("POST /a HTTP/1.1\r\nContent-Length: 2\r\ncontent-length: 2\r\n\r\n{}", "POST", "/a", "{}"),
        ] {
            let want = Request { method: method.into(), path: path.into(), body: body.into() };
            assert_eq!(read(text.as_bytes()).unwrap(), want, "{text}");
        }
    }

    #[test]
    fn invalid_requests_are_refused_with_a_status() {
        for (text, want) in [
            ("", 0),
            ("\r\n\r\n", 0),
            ("GET", 400),
            ("GET / HTTP/1.1\r\nHost: x\r\n", 400),
            ("\u{16}\u{3}\u{1}\n\n", 400),
            ("GET / HTTP/2\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n{}", 400),
            ("POST / HTTP/1.1\r\nContent-Length: +2\r\n\r\n{}", 400),
            ("POST / HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ", 400),
            ("POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nContent-Length: 1048577\r\n\r\n", 413),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}}\r\n", 400),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", 400),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", 413),
        ] {
            assert_eq!(status(text), want, "{text:?}");
        }
        let long = format!("GET / HTTP/1.1\r\nCookie: {}\r\n\r\n", "x".repeat(20_000));
        assert_eq!(status(&long), 431);
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(65));
        assert_eq!(status(&many), 400);
    }

    #[test]
    fn an_expect_header_gets_100_continue() {
        let mut output = Vec::new();
        let text = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(Request::read(&text[..], &mut output).unwrap().body, b"{}");
        assert_eq!(output, b"HTTP/1.1 100 Continue\r\n\r\n");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_cause_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            _ = read(&bytes);
            _ = read(&[b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", bytes.as_slice()].concat());
        }

        #[test]
        fn chunks_join_to_the_body(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 0..5)) {
            let mut text = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            for chunk in &chunks {
                text.extend(format!("{:x}\r\n", chunk.len()).bytes().chain(chunk.iter().copied()).chain(*b"\r\n"));
            }
            text.extend(b"0\r\n\r\n");
            prop_assert_eq!(read(&text).unwrap().body, chunks.concat());
        }
    }
}
