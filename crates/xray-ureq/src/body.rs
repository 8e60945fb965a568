//! The body of a response, whose end closes the call's subsegment.

use std::io::{ErrorKind, Read, Result};

use ureq::{Body, BodyReader};
use xray_tower::client::parts::Call;

/// Returns a body that reads `body` and records how it ends.
pub(crate) fn recorded(body: Body, call: Box<Call>) -> Body {
    let mut builder = Body::builder();
    // Not the charset: the inner reader has decoded it.
    if let Some(mime_type) = body.mime_type() {
        builder = builder.mime_type(mime_type);
    }
    builder.reader(RecordedReader { inner: body.into_reader(), call: Some(call) })
}

struct RecordedReader {
    inner: BodyReader<'static>,
    // Taken when the subsegment closes.
    call: Option<Box<Call>>,
}

impl Read for RecordedReader {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let Some(call) = &mut self.call else { return self.inner.read(buffer) };
        let result = call.run(|| self.inner.read(buffer));
        match &result {
            Ok(0) if !buffer.is_empty() => call.ended(),
            Ok(bytes) => call.read(*bytes),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => call.body_failed(error),
        }
        if call.is_done() {
            self.call = None;
        }
        result
    }
}
