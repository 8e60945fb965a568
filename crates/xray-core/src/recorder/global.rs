//! The recorder of the process: installed, or built at its first use.

use std::fmt;
use std::panic::Location;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::Recorder;
use crate::diagnostics::{Cause, Diagnostics};
use crate::emit::Flushed;
use crate::env::Environment;
use crate::missing::ContextMissing;

/// The recorder of the process. Set by the first installation or the first use.
static GLOBAL: OnceLock<Global> = OnceLock::new();

/// The recorder of the process, and the line that set it.
struct Global {
    recorder: Recorder,
    origin: Origin,
}

/// How the process got its recorder.
enum Origin {
    Installed(&'static Location<'static>),
    /// Code needed a recorder before any was installed.
    FirstUse(&'static Location<'static>),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Installed(location) => write!(f, "installed at {location}"),
            Origin::FirstUse(location) => {
                write!(f, "built with the default configuration by the first use at {location}")
            }
        }
    }
}

/// How long the guard of [`Recorder::install`] waits until documents are sent.
const FLUSH_AT_EXIT: Duration = Duration::from_secs(1);

/// The log and the context-missing strategy of a process without a recorder, from the environment alone, read once.
/// Using them builds no recorder, so that one can still be installed.
struct Uninstalled {
    diagnostics: Diagnostics,
    /// `None` when the SDK is disabled.
    context_missing: Option<ContextMissing>,
}

impl Uninstalled {
    fn get() -> &'static Uninstalled {
        static UNINSTALLED: OnceLock<Uninstalled> = OnceLock::new();
        UNINSTALLED.get_or_init(|| {
            let environment = Environment::read();
            let context_missing = environment.context_missing.clone().unwrap_or_default();
            Uninstalled {
                diagnostics: Diagnostics::new(None, environment.stderr(None)),
                context_missing: (!environment.disabled).then_some(context_missing),
            }
        })
    }
}

/// Returns the log for messages that do not concern a particular recorder: that of the process's recorder, or one that
/// the environment alone configures.
pub(crate) fn diagnostics_of_process() -> Diagnostics {
    match GLOBAL.get() {
        Some(global) => global.recorder.diagnostics().clone(),
        None => Uninstalled::get().diagnostics.clone(),
    }
}

/// Returns the context-missing strategy of the process. `None` if the SDK is disabled.
pub(crate) fn strategy_of_process() -> Option<(&'static ContextMissing, Diagnostics)> {
    let strategy = match GLOBAL.get() {
        Some(Global { recorder: Recorder(inner), .. }) => inner.enabled.then_some(&inner.context_missing),
        None => Uninstalled::get().context_missing.as_ref(),
    };
    Some((strategy?, diagnostics_of_process()))
}

impl Recorder {
    /// Returns the recorder of the process.
    ///
    /// This is the [installed](Recorder::install) one. If none is installed, the first call builds one that the
    /// environment alone configures, and a later installation has no effect.
    ///
    /// ```
    /// # use xray_core::Recorder;
    /// # let _installed = Recorder::disabled().install();
    /// let segment = Recorder::global().begin("nightly import");
    /// ```
    #[track_caller]
    pub fn global() -> &'static Recorder {
        if let Some(global) = GLOBAL.get() {
            return &global.recorder;
        }
        let origin = Origin::FirstUse(Location::caller());
        // Built before the lock is taken: this may log, and the application's logger may use the SDK.
        let recorder = Recorder::builder().build().unwrap_or_else(|_| Recorder::disabled());
        &GLOBAL.get_or_init(|| Global { recorder, origin }).recorder
    }

    /// Makes this the recorder of the process, which layers and clients use unless they are given another.
    ///
    /// Install at the start of `main`: the first installation or the first use of [`Recorder::global`] decides, and
    /// later installations have no effect except for an error in the log, with both lines. Code that only needs the
    /// current entity does not count as a use. [`Installed::is_active`] returns whether this installation took effect.
    ///
    /// The returned guard flushes when it is dropped, for one second at most. Hold it until `main` ends, and outside of
    /// an asynchronous runtime: a runtime that ends drops its tasks, which closes what they record. Within
    /// `#[tokio::main]` the guard would be dropped before that.
    ///
    /// ```no_run
    /// # use xray_core::Recorder;
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let _flushed_when_dropped = Recorder::builder().service("shop").build()?.install();
    ///     serve() // a function with `#[tokio::main]`: its runtime has ended when it returns
    /// }
    /// # fn serve() -> Result<(), Box<dyn std::error::Error>> { Ok(()) }
    /// ```
    ///
    /// `let _ = recorder.install()` drops the guard at once, so nothing is flushed at the end:
    ///
    /// ```no_run
    /// # use xray_core::Recorder;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let _ = Recorder::builder().build()?.install(); // wrong: flushes now
    /// let _guard = Recorder::builder().build()?.install(); // right: flushes when `main` ends
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The guard of an installation without effect also flushes the recorder of the process.
    #[track_caller]
    pub fn install(self) -> Installed {
        let origin = Origin::Installed(Location::caller());
        if GLOBAL.set(Global { recorder: self.clone(), origin }).is_err() {
            self.report_late_install(Location::caller());
        }
        Installed { recorder: self }
    }

    /// Logs that the process already has a recorder.
    fn report_late_install(&self, location: &Location<'_>) {
        let Some(Global { origin, .. }) = GLOBAL.get() else { return };
        self.diagnostics().error(
            Cause::LateInstall,
            format_args!(
                "`install()` at {location} comes too late: the process already has a recorder, {origin}. The sampling \
                 rules, the daemon's address and all other options of this one are not used. Install it first in `main`"
            ),
        );
    }

    /// Flushes like [`flush`](Recorder::flush), and logs how many documents are left.
    fn flush_at_exit(&self, timeout: Duration) {
        if let Flushed::TimedOut { left: left @ 1.. } = self.flush(timeout) {
            let message = format_args!(
                "{left} documents were not sent within the second that the guard of `install()` waits; they are lost \
                 if the process ends now. Call `flush` with a longer timeout before the guard is dropped"
            );
            self.diagnostics().error(Cause::Unsent, message);
        }
    }
}

/// The guard of [`Recorder::install`]: flushes when it is dropped, for one second at most.
///
/// It dereferences to its [`Recorder`]. If the installation had no effect, it flushes the recorder of the process too.
/// What was not sent within the second is logged as an error.
#[derive(Debug)]
#[must_use = "dropping the guard at once flushes nothing that is recorded later"]
pub struct Installed {
    recorder: Recorder,
}

impl Installed {
    /// Returns whether this recorder is the recorder of the process.
    ///
    /// `false` if another one was installed before, or [`Recorder::global`] was used before. Layers and clients do not
    /// use this one then, and [`install`](Recorder::install) has logged an error.
    ///
    /// ```
    /// use xray_core::Recorder;
    ///
    /// let first = Recorder::disabled().install();
    /// let late = Recorder::disabled().install();
    /// assert!(first.is_active() && !late.is_active());
    /// ```
    pub fn is_active(&self) -> bool {
        GLOBAL.get().is_some_and(|global| Arc::ptr_eq(&global.recorder.0, &self.recorder.0))
    }
}

impl std::ops::Deref for Installed {
    type Target = Recorder;

    fn deref(&self) -> &Recorder {
        &self.recorder
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        let start = Instant::now();
        if let Some(global) = GLOBAL.get()
            && !Arc::ptr_eq(&global.recorder.0, &self.recorder.0)
        {
            // This one was installed too late: most of what the program recorded went to the other one.
            global.recorder.flush_at_exit(FLUSH_AT_EXIT);
        }
        self.recorder.flush_at_exit(FLUSH_AT_EXIT.saturating_sub(start.elapsed()));
    }
}
