//! The rate at which a reader with the default receive buffer loses nothing, even if it is not scheduled for 20 ms: that of
//! this SDK (ADR 7), in slightly shorter pauses. A thread that pauses finds its caches cold, so that paced floors cost more.

use std::thread;
use std::time::Duration;

/// The default receive buffer of Linux, which a reader may take 40 ms to empty.
const BUFFER: usize = 212_992;
const PAUSE: Duration = Duration::from_millis(7);
const IN_PAUSE: usize = BUFFER * 7 / 40;

/// What was sent since the last pause, in bytes of the receive buffer.
#[derive(Default)]
pub struct Pace(usize);

impl Pace {
    /// Pauses before this datagram, if as much was sent as the reader reads in a pause.
    pub fn admit(&mut self, datagram: &[u8]) {
        // What Linux allocates for a datagram.
        let footprint = 256 + (datagram.len() + 400).next_power_of_two();
        if self.0 + footprint > IN_PAUSE {
            thread::sleep(PAUSE);
            self.0 = 0;
        }
        self.0 += footprint;
    }
}
