//! The recorder of the process, for tests of what happens without a recorder of their own.

use std::sync::{Arc, Mutex, Once, OnceLock};

use xray_core::context::MissingContext;
use xray_core::emit::MemoryEmitter;
use xray_core::sampling::Always;
use xray_core::{ContextMissing, Recorder};

/// The recorder of the process. It notes what was called without a context.
#[derive(Debug)]
pub struct Global {
    missing: Mutex<Vec<String>>,
    emitted: MemoryEmitter,
}

impl Global {
    /// Installs the recorder on the first call, and returns it.
    pub fn install() -> &'static Global {
        static GLOBAL: OnceLock<Global> = OnceLock::new();
        static INSTALLED: Once = Once::new();
        let global = GLOBAL.get_or_init(|| Global { missing: Mutex::default(), emitted: MemoryEmitter::new() });
        INSTALLED.call_once(|| {
            let note = |missing: &MissingContext<'_>| global.missing.lock().unwrap().push(missing.what().to_owned());
            let recorder = Recorder::builder()
                .sampling(Always)
                .emitter(global.emitted.clone())
                .context_missing(ContextMissing::Call(Arc::new(note)))
                .build()
                .unwrap();
            let _flushes_nothing = recorder.install();
        });
        global
    }

    /// Returns whether this was called without a context.
    pub fn missed(&self, what: &str) -> bool {
        self.missing.lock().unwrap().iter().any(|missed| missed == what)
    }

    /// Returns whether a document contains this text.
    pub fn emitted(&self, text: &str) -> bool {
        self.emitted.documents().iter().any(|document| document.json().contains(text))
    }
}
