//! Database servers for tests: PostgreSQL and MariaDB, each in a temporary folder and on a free port.
//!
//! [`traced`] traces the requests that call them.
//!
//! A server ends with the process that started it, also if a test panics or the process is killed. If it is not installed,
//! the tests that need it say so and pass.

// A test fails by a panic, and these are parts of tests.
#![allow(clippy::unwrap_used)]

pub mod traced;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// A running server. It stops when it is dropped, or with the process.
#[derive(Debug)]
pub struct Server {
    scheme: &'static str,
    port: u16,
    supervisor: Child,
}

impl Server {
    /// Starts PostgreSQL. `None` if it is not installed.
    ///
    /// # Panics
    /// Panics if the server does not start.
    pub fn postgres() -> Option<Server> {
        Server::start("postgres", "postgres")
    }

    /// Starts MariaDB. `None` if it is not installed.
    ///
    /// # Panics
    /// Panics if the server does not start.
    pub fn mariadb() -> Option<Server> {
        Server::start("mariadb", "mysql")
    }

    /// Returns the port on the loopback interface.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the URL of the database `shop`, whose user `app` has the password `s3cret`.
    pub fn url(&self) -> String {
        format!("{}://app:s3cret@127.0.0.1:{}/shop", self.scheme, self.port)
    }

    fn start(kind: &'static str, scheme: &'static str) -> Option<Server> {
        let folder = folder(kind);
        // Free now. Another program may take it, and the server then fails with a clear message.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("sh");
        command.args(["-c", include_str!("serve.sh"), "serve.sh", kind]).arg(&folder).arg(port.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        #[cfg(unix)]
        as_ordinary_user(&mut command, &folder);
        let mut supervisor = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(supervisor.stdout.take().unwrap()).read_line(&mut line).unwrap();
        match line.trim() {
            "ready" => Some(Server { scheme, port, supervisor }),
            "absent" => {
                supervisor.wait().unwrap();
                eprintln!("{kind} is not installed: this test checks nothing");
                None
            }
            other => panic!("{kind} does not start: {other:?}"),
        }
    }
}

/// Stops the server at once, as a crash does: connections break.
impl Drop for Server {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        let _ = self.supervisor.wait();
    }
}

/// Returns the PostgreSQL server that the tests of this process share.
pub fn postgres() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(Server::postgres).as_ref()
}

/// Returns the MariaDB server that the tests of this process share.
pub fn mariadb() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(Server::mariadb).as_ref()
}

fn folder(kind: &str) -> PathBuf {
    static STARTED: AtomicU32 = AtomicU32::new(0);
    let number = STARTED.fetch_add(1, Ordering::Relaxed);
    // Short, since the path of a socket has at most 107 bytes.
    let folder = std::env::temp_dir().join(format!("xray-{kind}-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// PostgreSQL refuses to run as root. Runs the command as `nobody` then.
#[cfg(unix)]
fn as_ordinary_user(command: &mut Command, folder: &std::path::Path) {
    use std::os::unix::fs::{MetadataExt, chown};
    use std::os::unix::process::CommandExt;

    const NOBODY: u32 = 65_534;
    if std::fs::metadata(folder).unwrap().uid() == 0 {
        chown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
        command.uid(NOBODY).gid(NOBODY).env("HOME", folder);
    }
    // A signal to the tests must not end the script before it has stopped the server.
    command.process_group(0);
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn a_server_accepts_connections_until_it_is_dropped() {
        for server in [Server::postgres(), Server::mariadb()].into_iter().flatten() {
            let port = server.port();
            assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
            drop(server);
            assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
        }
    }
}
