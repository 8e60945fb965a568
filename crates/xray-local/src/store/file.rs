//! The store file: documents and summaries in redb.
//!
//! A thread of its own writes what has arrived, in one transaction each few milliseconds. Every transaction is synced to
//! the disk before it counts. If the disk is full or fails, documents stay in memory, the file is opened again from time
//! to time, and what waited is written then.
//!
//! ```text
//! documents: trace id (16 bytes, big-endian) ‖ arrival number (8 bytes) → a packed document
//! traces:    trace id → its last arrival, its size, its summary (made again if the encoding has changed)
//! state:     "format" → the name of this format; "groups", "tags", "rules" → JSON
//! ```

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redb::{
    Builder, Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition, WriteTransaction,
};

use super::packed::Packed;
use super::{Change, Names, Restored, codec};
use crate::id::TraceId;

type Key = [u8; 24];

const DOCUMENTS: TableDefinition<'_, Key, &[u8]> = TableDefinition::new("documents");
const TRACES: TableDefinition<'_, [u8; 16], &[u8]> = TableDefinition::new("traces");
const STATE: TableDefinition<'_, &str, &str> = TableDefinition::new("state");

/// The value of `format` in the table `state`.
const FORMAT: &str = "xray-local 1";

/// Bytes that redb may cache. Its default is 1 GiB.
const CACHE: usize = 16 << 20;

/// How long documents are collected for one transaction, unless a caller waits.
const BATCH_TIME: Duration = Duration::from_millis(20);

/// Time between attempts to open a file that failed.
const RETRY: Duration = Duration::from_secs(5);

/// Bytes of documents that may wait for the disk.
const MAX_PENDING: usize = 64 << 20;

/// Bytes of the file for each byte of documents and summaries, as measured, in tenths.
const FILE_FACTOR: u64 = 23;

/// Bytes of a row besides its document.
const ROW: u64 = 48;

/// How long traces are kept in a file.
#[derive(Debug, Clone)]
pub(crate) struct Retention {
    pub(crate) bytes: u64,
    pub(crate) age: Option<Duration>,
}

impl Default for Retention {
    fn default() -> Retention {
        Retention { bytes: 1 << 30, age: None }
    }
}

/// An open store file.
pub(crate) struct File {
    path: PathBuf,
    retention: Retention,
    shared: Mutex<Shared>,
    /// Notified when there is something to write, when something was written, and when the file is to be closed.
    changed: Condvar,
}

struct Shared {
    /// `None` after a failure, until the file can be opened again.
    database: Option<Arc<Database>>,
    pending: Vec<Change>,
    pending_bytes: usize,
    /// How many changes were accepted and how many are on the disk.
    accepted: u64,
    written: u64,
    /// Callers that wait for the disk.
    waiting: usize,
    /// What went wrong last, until it goes well again.
    failure: Option<String>,
    failures: u64,
    /// Documents that found no room to wait.
    unstored: u64,
    /// The number of the last document.
    arrival: u64,
    /// Bytes of documents and rows of each trace, and of all.
    sizes: HashMap<TraceId, u64>,
    bytes: u64,
    stopped: bool,
}

impl File {
    /// Opens a store file, or creates it.
    pub(crate) fn open(path: &Path, retention: Retention) -> io::Result<File> {
        let database = open(path)?;
        Ok(File {
            path: path.to_owned(),
            retention,
            shared: Mutex::new(Shared {
                database: Some(Arc::new(database)),
                pending: Vec::new(),
                pending_bytes: 0,
                accepted: 0,
                written: 0,
                waiting: 0,
                failure: None,
                failures: 0,
                unstored: 0,
                arrival: 0,
                sizes: HashMap::new(),
                bytes: 0,
                stopped: false,
            }),
            changed: Condvar::new(),
        })
    }

    /// Reads all trace rows, the one with the earliest last arrival first.
    pub(super) fn restore(&self) -> Vec<Restored> {
        let Some(database) = self.lock().database.clone() else { return Vec::new() };
        let mut restored = read_rows(&database).unwrap_or_default();
        drop(database);
        restored.sort_by_key(|trace| (trace.arrived, trace.id));
        let mut shared = self.lock();
        shared.sizes.reserve(restored.len());
        for trace in &restored {
            shared.sizes.insert(trace.id, trace.bytes);
            shared.bytes += trace.bytes;
        }
        let used = shared.bytes;
        if let Some(database) = shared.database.as_mut().and_then(Arc::get_mut) {
            shrink(database, &self.path, used);
        }
        restored
    }

    /// Reads the documents of a trace in the order of arrival. Returns none if the file cannot be read.
    pub(crate) fn documents(&self, id: TraceId) -> Vec<Packed> {
        let Some(database) = self.lock().database.clone() else { return Vec::new() };
        let read = || -> Result<Vec<Packed>, redb::Error> {
            let table = database.begin_read()?.open_table(DOCUMENTS)?;
            let range = table.range(key(id, 0)..=key(id, u64::MAX))?;
            let mut documents = Vec::new();
            for row in range {
                documents.extend(Packed::from_bytes(row?.1.value()));
            }
            Ok(documents)
        };
        read().unwrap_or_default()
    }

    /// Reads a value that is not part of a trace.
    #[cfg(feature = "web")]
    pub(super) fn saved(&self, key: &str) -> Option<String> {
        let database = self.lock().database.clone()?;
        let table = database.begin_read().ok()?.open_table(STATE).ok()?;
        Some(table.get(key).ok()??.value().to_owned())
    }

    /// Adds changes to be written.
    pub(super) fn push(&self, changes: impl IntoIterator<Item = Change>) {
        let mut shared = self.lock();
        let before = shared.pending.len();
        for change in changes {
            let weight = change.weight();
            if shared.pending_bytes + weight > MAX_PENDING {
                shared.unstored += u64::from(matches!(change, Change::Document(..)));
                continue;
            }
            shared.pending_bytes += weight;
            shared.accepted += 1;
            shared.pending.push(change);
        }
        if before == 0 && !shared.pending.is_empty() {
            self.changed.notify_all();
        }
    }

    /// Waits until everything accepted so far is on the disk.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the file.
    pub(crate) fn persist(&self) -> Result<(), String> {
        let mut shared = self.lock();
        let (target, lost) = (shared.accepted, shared.unstored);
        shared.waiting += 1;
        self.changed.notify_all();
        while shared.written < target && shared.failure.is_none() && !shared.stopped {
            shared = self.changed.wait(shared).unwrap_or_else(PoisonError::into_inner);
        }
        shared.waiting -= 1;
        match &shared.failure {
            Some(failure) => Err(failure.clone()),
            None if shared.unstored > lost => Err("too many documents wait for the disk".to_owned()),
            None => Ok(()),
        }
    }

    /// Makes [`File::run`] return when everything is written, or cannot be.
    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    pub(crate) fn max_age(&self) -> Option<Duration> {
        self.retention.age
    }

    /// Whether the file is larger than it may be.
    pub(crate) fn excess(&self) -> bool {
        self.lock().bytes.saturating_mul(FILE_FACTOR) / 10 > self.retention.bytes
    }

    /// Returns the approximate size of the file, how often it failed, how many documents were not written, and what is
    /// wrong with it now.
    pub(crate) fn state(&self) -> (u64, u64, u64, Option<String>) {
        let size = std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len());
        let shared = self.lock();
        (size, shared.failures, shared.unstored, shared.failure.clone())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes changes until the file is stopped. Calls `written` with the trace of each document that is on the disk.
    pub(crate) fn run(&self, mut written: impl FnMut(&[TraceId])) {
        let mut rows = HashSet::new();
        while let Some(changes) = self.next() {
            let mut documents = Vec::new();
            match self.write(&changes, &mut documents, &mut rows) {
                Ok(()) => {
                    let mut shared = self.lock();
                    shared.written += changes.len() as u64;
                    if shared.failure.take().is_some() {
                        eprintln!("xray-local: {} can be written again", self.path.display());
                    }
                    drop(shared);
                    self.changed.notify_all();
                    written(&documents);
                }
                Err(failure) => {
                    // The rows of an aborted transaction do not exist.
                    rows.clear();
                    if !self.fail(changes, &failure) {
                        return;
                    }
                }
            }
        }
    }

    /// Waits for changes. Returns `None` once the file is stopped and everything is written.
    fn next(&self) -> Option<Vec<Change>> {
        let mut shared = self.lock();
        while shared.pending.is_empty() {
            if shared.stopped {
                return None;
            }
            shared = self.changed.wait(shared).unwrap_or_else(PoisonError::into_inner);
        }
        let collecting = |shared: &mut Shared| shared.waiting == 0 && !shared.stopped;
        let waited = self.changed.wait_timeout_while(shared, BATCH_TIME, collecting);
        shared = waited.unwrap_or_else(PoisonError::into_inner).0;
        shared.pending_bytes = 0;
        Some(std::mem::take(&mut shared.pending))
    }

    /// Puts changes back, and waits until the file can be opened again. Returns false if it was stopped meanwhile.
    fn fail(&self, mut changes: Vec<Change>, failure: &redb::Error) -> bool {
        let mut shared = self.lock();
        if shared.failure.is_none() {
            eprintln!(
                "xray-local: cannot write {}: {failure}; traces are kept in memory, and the file is tried again every \
                 {} seconds",
                self.path.display(),
                RETRY.as_secs()
            );
        }
        shared.failures += 1;
        shared.failure = Some(failure.to_string());
        // A handle that has failed once stays unusable.
        shared.database = None;
        shared.pending_bytes += changes.iter().map(Change::weight).sum::<usize>();
        changes.append(&mut shared.pending);
        shared.pending = changes;
        self.changed.notify_all();
        let begin = Instant::now();
        loop {
            while let Some(left) = RETRY.checked_sub(begin.elapsed()).filter(|left| !left.is_zero()) {
                if shared.stopped {
                    return false;
                }
                shared = self.changed.wait_timeout(shared, left).unwrap_or_else(PoisonError::into_inner).0;
            }
            drop(shared);
            let opened = open(&self.path);
            shared = self.lock();
            match opened {
                Ok(database) => {
                    shared.database = Some(Arc::new(database));
                    return true;
                }
                Err(error) => {
                    shared.failures += 1;
                    shared.failure = Some(error.to_string());
                }
            }
            if shared.stopped {
                return false;
            }
            shared = self.changed.wait_timeout(shared, RETRY).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn write(
        &self,
        changes: &[Change],
        documents: &mut Vec<TraceId>,
        rows: &mut HashSet<TraceId>,
    ) -> Result<(), redb::Error> {
        let (database, mut arrival) = {
            let shared = self.lock();
            (shared.database.clone(), shared.arrival)
        };
        let Some(database) = database else { return Err(io::Error::other("the file is not open").into()) };
        let mut transaction = database.begin_write()?;
        // After a crash, the file opens in milliseconds instead of seconds.
        transaction.set_quick_repair(true);
        let mut sizes: HashMap<TraceId, i64> = HashMap::new();
        {
            let mut document_table = transaction.open_table(DOCUMENTS)?;
            let mut trace_table = transaction.open_table(TRACES)?;
            #[cfg(feature = "web")]
            let mut state_table = transaction.open_table(STATE)?;
            for change in changes {
                match change {
                    Change::Document(id, packed, summary) => {
                        arrival = arrival.max(packed.arrived.saturating_mul(1_000)) + 1;
                        let value = packed.to_bytes();
                        document_table.insert(key(*id, arrival), value.as_slice())?;
                        let size = value.len() as u64 + ROW;
                        *sizes.entry(*id).or_default() += size as i64;
                        // A trace of several documents gets its summary when it is settled.
                        let row = match summary {
                            Some(summary) => Some(codec::row(packed.arrived, size, Some(summary))),
                            None => rows.insert(*id).then(|| codec::row(packed.arrived, 0, None)),
                        };
                        if let Some(row) = row {
                            trace_table.insert(trace_key(*id), row.as_slice())?;
                        }
                        documents.push(*id);
                    }
                    Change::Summary(id, arrived, summary) => {
                        rows.remove(id);
                        let known = self.lock().sizes.get(id).copied().unwrap_or_default() as i64;
                        let bytes = known + sizes.get(id).copied().unwrap_or_default();
                        let row = codec::row(*arrived, bytes.max(0) as u64, Some(summary));
                        trace_table.insert(trace_key(*id), row.as_slice())?;
                    }
                    Change::Forget(id) => {
                        rows.remove(id);
                        trace_table.remove(trace_key(*id))?;
                        document_table.retain_in(key(*id, 0)..=key(*id, u64::MAX), |_, _| false)?;
                        let known = self.lock().sizes.get(id).copied().unwrap_or_default() as i64;
                        sizes.insert(*id, -known);
                    }
                    #[cfg(feature = "web")]
                    Change::State(key, value) => _ = state_table.insert(*key, value.as_str())?,
                    Change::Clear => {
                        rows.clear();
                        document_table.retain(|_, _| false)?;
                        trace_table.retain(|_, _| false)?;
                        sizes = self.lock().sizes.iter().map(|(id, size)| (*id, -(*size as i64))).collect();
                    }
                }
            }
        }
        transaction.commit()?;
        let mut shared = self.lock();
        shared.arrival = arrival;
        for (id, change) in sizes {
            let size = shared.sizes.entry(id).or_default();
            let before = *size;
            *size = size.saturating_add_signed(change);
            let after = *size;
            if after == 0 {
                shared.sizes.remove(&id);
            }
            shared.bytes = (shared.bytes + after).saturating_sub(before);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Opens a file of this format, or creates it. Refuses every other file.
fn open(path: &Path) -> io::Result<Database> {
    let refuse = |reason: String| io::Error::new(io::ErrorKind::InvalidData, reason);
    let foreign = || refuse("this is not a file of xray-local".to_owned());
    let exists = std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0);
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE);
    let database = if exists { builder.open(path) } else { builder.create(path) }.map_err(|error| match error {
        redb::DatabaseError::DatabaseAlreadyOpen => {
            io::Error::new(io::ErrorKind::ResourceBusy, "another program has opened it")
        }
        redb::DatabaseError::Storage(redb::StorageError::Io(error)) if error.kind() != io::ErrorKind::InvalidData => {
            error
        }
        redb::DatabaseError::Storage(redb::StorageError::Io(_) | redb::StorageError::Corrupted(_)) => foreign(),
        error => refuse(error.to_string()),
    })?;
    if exists {
        match format(&database) {
            Ok(Some(format)) if format == FORMAT => {}
            Ok(Some(other)) => return Err(refuse(format!("its format is `{other}`, but must be `{FORMAT}`"))),
            _ => return Err(foreign()),
        }
    } else {
        create(&database).map_err(|error| io::Error::other(error.to_string()))?;
    }
    Ok(database)
}

fn create(database: &Database) -> Result<(), redb::Error> {
    let transaction: WriteTransaction = database.begin_write()?;
    transaction.open_table(STATE)?.insert("format", FORMAT)?;
    transaction.open_table(DOCUMENTS)?;
    transaction.open_table(TRACES)?;
    transaction.commit()?;
    Ok(())
}

fn format(database: &Database) -> Result<Option<String>, redb::Error> {
    let table = database.begin_read()?.open_table(STATE)?;
    Ok(table.get("format")?.map(|format| format.value().to_owned()))
}

/// Returns space to the file system if most of the file is unused: the file never shrinks by itself. `used` are the bytes of
/// all documents.
fn shrink(database: &mut Database, path: &Path, used: u64) {
    /// A file of less than this many bytes is not worth it.
    const MIN: u64 = 64 << 20;
    let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    if size >= MIN && used.saturating_mul(2 * FILE_FACTOR) / 10 < size {
        // A failure leaves the file as it was.
        _ = database.compact();
    }
}

/// Trace rows as they are in the file, one after the other, and where each of them ends.
#[derive(Default)]
struct Rows {
    bytes: Vec<u8>,
    ends: Vec<(TraceId, usize)>,
}

/// Reads all trace rows. This thread reads them, and others decode them.
fn read_rows(database: &Database) -> Result<Vec<Restored>, redb::Error> {
    /// Fewer rows are not worth a thread.
    const MIN_PART: u64 = 4_096;
    let table = database.begin_read()?.open_table(TRACES)?;
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get) as u64;
    let part = (table.len()? / (2 * processors)).max(MIN_PART) as usize;
    std::thread::scope(|scope| {
        let mut decoding = Vec::new();
        let mut rows = Rows::default();
        for row in table.iter()? {
            let (key, value) = row?;
            rows.bytes.extend_from_slice(value.value());
            rows.ends.push((TraceId::from_bytes(key.value()), rows.bytes.len()));
            if rows.ends.len() == part {
                let full = std::mem::take(&mut rows);
                decoding.push(scope.spawn(move || decode(&full)));
            }
        }
        let last = decode(&rows);
        // The panic hook has already reported a panic.
        let mut restored: Vec<Restored> =
            decoding.into_iter().flat_map(|part| part.join().unwrap_or_default()).collect();
        restored.extend(last);
        Ok(restored)
    })
}

fn decode(rows: &Rows) -> Vec<Restored> {
    // Each thread shares names among its own traces, so that none waits for another.
    let names = Names::default();
    let mut from = 0;
    let mut restored = Vec::with_capacity(rows.ends.len());
    for &(id, end) in &rows.ends {
        let row = codec::parse_row(&rows.bytes[std::mem::replace(&mut from, end)..end], &names);
        restored.extend(row.map(|(arrived, bytes, summary)| Restored { id, arrived, bytes, summary }));
    }
    restored
}

fn key(id: TraceId, arrival: u64) -> Key {
    let mut key = [0; 24];
    key[..16].copy_from_slice(&id.to_bytes());
    key[16..].copy_from_slice(&arrival.to_be_bytes());
    key
}

fn trace_key(id: TraceId) -> [u8; 16] {
    id.to_bytes()
}
