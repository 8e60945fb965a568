//! An HTTP/1.1 client that can misbehave: it can send any bytes, stop reading, reset, or close one direction.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::SockRef;

const READ_TIMEOUT: Duration = Duration::from_secs(15);
/// Maximum size of a head.
const MAX_HEAD: usize = 64 * 1024;

/// A connection to a server. Every read times out after 15 seconds.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    /// Bytes received but not consumed yet.
    ahead: Vec<u8>,
}

/// The head of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    status: u16,
    headers: Vec<(String, String)>,
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    head: Head,
    body: Vec<u8>,
}

/// Makes one GET request on a new connection.
///
/// # Errors
/// Returns an error if the server cannot be reached or its response is invalid.
pub fn get(address: SocketAddr, target: &str) -> io::Result<Response> {
    request(address, "GET", target, &[])
}

/// Makes one request without a body on a new connection. Adds a `Host` header unless `headers` contains one.
///
/// # Errors
/// The same as for [`get`].
pub fn request(address: SocketAddr, method: &str, target: &str, headers: &[(&str, &str)]) -> io::Result<Response> {
    request_with_body(address, method, target, headers, "")
}

/// Makes one request like [`request`], with a body unless it is empty.
///
/// # Errors
/// The same as for [`get`].
pub fn request_with_body(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> io::Result<Response> {
    let mut text = format!("{method} {target} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        text.push_str(&format!("Host: {address}\r\n"));
    }
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    text.extend(["\r\n", body]);
    let mut connection = Connection::open(address)?;
    connection.send(&text)?;
    let head = connection.head()?;
    let body = if method == "HEAD" { Vec::new() } else { connection.body(&head)? };
    Ok(Response { head, body })
}

impl Connection {
    /// Connects to a server.
    ///
    /// # Errors
    /// Returns an error if no server listens on the address.
    pub fn open(address: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, ahead: Vec::new() })
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// Returns an error if the connection is broken.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Reads a response to any request other than HEAD.
    ///
    /// # Errors
    /// Returns an error if it is incomplete or not HTTP.
    pub fn response(&mut self) -> io::Result<Response> {
        let head = self.head()?;
        let body = self.body(&head)?;
        Ok(Response { head, body })
    }

    /// Reads the head of a response. Skips informational responses such as `100 Continue`.
    ///
    /// # Errors
    /// Returns an error if it is incomplete or not HTTP.
    pub fn head(&mut self) -> io::Result<Head> {
        loop {
            let end = loop {
                match self.ahead.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                    Some(end) => break end,
                    None if self.ahead.len() > MAX_HEAD => return Err(invalid("the head is too long")),
                    None => self.more()?,
                }
            };
            let text = self.take(end + 4)?;
            let head = parse_head(std::str::from_utf8(&text).map_err(|_| invalid("the head is not UTF-8"))?)?;
            if !(100..200).contains(&head.status) || head.status == 101 {
                return Ok(head);
            }
        }
    }

    /// Reads the body that follows a head: by its length, in chunks, or up to the end of the connection.
    ///
    /// # Errors
    /// Returns an error if it is incomplete or not HTTP.
    pub fn body(&mut self, head: &Head) -> io::Result<Vec<u8>> {
        if matches!(head.status, 101 | 204 | 304) {
            return Ok(Vec::new());
        }
        if head.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            let mut body = Vec::new();
            while let Some(chunk) = self.chunk()? {
                body.extend(chunk);
            }
            return Ok(body);
        }
        match head.header("content-length") {
            Some(length) => self.take(length.parse().map_err(|_| invalid("the content length is not a number"))?),
            None => self.rest(),
        }
    }

    /// Reads one chunk. Returns `None` for the last one.
    ///
    /// # Errors
    /// Returns an error if it is incomplete or not HTTP.
    pub fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let line = self.line()?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(digits, 16).map_err(|_| invalid("the size of a chunk is not a number"))?;
        if size == 0 {
            while !self.line()?.is_empty() {}
            return Ok(None);
        }
        let chunk = self.take(size)?;
        if self.line()?.is_empty() { Ok(Some(chunk)) } else { Err(invalid("a chunk is longer than its size")) }
    }

    /// Reads up to the end of the connection.
    ///
    /// # Errors
    /// Returns an error if the connection is reset or the server does not close it.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        self.stream.read_to_end(&mut self.ahead)?;
        Ok(std::mem::take(&mut self.ahead))
    }

    /// Closes the sending direction. The server sees an end of file and may still respond.
    ///
    /// # Errors
    /// Returns an error if the connection is broken.
    pub fn half_close(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// Resets the connection, so that the server notices immediately that the client is gone.
    ///
    /// # Errors
    /// Returns an error if the connection is already broken.
    pub fn reset(self) -> io::Result<()> {
        // Closing with a linger time of zero discards data in flight and sends a TCP reset.
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            match self.ahead.windows(2).position(|bytes| bytes == b"\r\n") {
                Some(end) => {
                    let line = self.take(end + 2)?;
                    return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
                }
                None if self.ahead.len() > MAX_HEAD => return Err(invalid("a line is too long")),
                None => self.more()?,
            }
        }
    }

    fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.ahead.len() < length {
            self.more()?;
        }
        Ok(self.ahead.drain(..length).collect())
    }

    fn more(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            length => {
                self.ahead.extend(&buffer[..length]);
                Ok(())
            }
        }
    }
}

impl Head {
    /// Returns the status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns the first header with a name, ignoring case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

impl Response {
    /// Returns the head.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Returns the status code.
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// Returns the first header with a name, ignoring case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// Returns the body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Returns the body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn parse_head(text: &str) -> io::Result<Head> {
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok());
    let status = status.ok_or_else(|| invalid("no status line"))?;
    let headers = lines.take_while(|line| !line.is_empty()).map(|line| {
        let (name, value) = line.split_once(':').ok_or_else(|| invalid("a header without a colon"))?;
        Ok((name.to_owned(), value.trim().to_owned()))
    });
    Ok(Head { status, headers: headers.collect::<io::Result<_>>()? })
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Starts a server for one connection.
    fn serve<T: Send + 'static>(
        serve: impl FnOnce(TcpStream) -> T + Send + 'static,
    ) -> (SocketAddr, thread::JoinHandle<T>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        (address, thread::spawn(move || serve(listener.accept().unwrap().0)))
    }

    fn respond(text: &'static str) -> SocketAddr {
        let serve = move |mut stream: TcpStream| {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.extend(byte);
            }
            // In small pieces, because nothing may depend on how the text is split.
            for piece in text.as_bytes().chunks(3) {
                stream.write_all(piece).unwrap();
            }
        };
        self::serve(serve).0
    }

    #[test]
    fn bodies_are_read_by_length_in_chunks_and_to_the_end() {
        for (text, status, body) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokmore", 200, "ok"),
            (
                "HTTP/1.1 201\r\nTRANSFER-ENCODING: chunked\r\n\r\n2;x=y\r\nok\r\nA\r\n0123456789\r\n0\r\nT: v\r\n\r\n",
                201,
                "ok0123456789",
            ),
            ("HTTP/1.0 500 Oh no\r\n\r\nto the end", 500, "to the end"),
            ("HTTP/1.1 204 No Content\r\n\r\n", 204, ""),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\ncontent-length:0\r\n\r\n", 404, ""),
        ] {
            let response = get(respond(text), "/").unwrap();
            assert_eq!((response.status(), response.text().as_str()), (status, body), "{text}");
        }
    }

    #[test]
    fn the_response_to_a_head_request_has_no_body() {
        let address = respond("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b \r\n\r\n");
        let response = request(address, "HEAD", "/", &[("host", "x")]).unwrap();
        assert_eq!((response.header("x-a"), response.body()), (Some("b"), &b""[..]));
    }

    #[test]
    fn an_incomplete_response_is_an_error() {
        for text in [
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
            "HTTP/1.1 200 OK\r\n",
            "SMTP\r\n\r\n",
            "",
        ] {
            assert!(get(respond(text), "/").is_err(), "{text}");
        }
    }

    #[test]
    fn the_server_sees_a_reset() {
        let (address, server) = serve(|mut stream| stream.read(&mut [0; 16]).map_err(|error| error.kind()));
        Connection::open(address).unwrap().reset().unwrap();
        assert_eq!(server.join().unwrap(), Err(io::ErrorKind::ConnectionReset));
    }

    #[test]
    fn a_half_closed_connection_still_receives_the_response() {
        let (address, server) = serve(|mut stream| {
            let mut request = String::new();
            stream.read_to_string(&mut request).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap();
            request
        });
        let mut connection = Connection::open(address).unwrap();
        connection.send("GET / HTTP/1.1\r\n\r\n").unwrap();
        connection.half_close().unwrap();
        assert_eq!(connection.response().unwrap().text(), "ok");
        assert_eq!(server.join().unwrap(), "GET / HTTP/1.1\r\n\r\n");
    }
}
