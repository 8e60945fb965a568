//! The causes of diagnostics, one for each kind of message.

use std::fmt;

/// Defines each cause in one place: the variant, its word and its documentation.
macro_rules! causes {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal,)+) => {
        /// The cause of a [`Diagnostic`](super::Diagnostic). All messages of one kind have the same cause, and share the
        /// rate limit.
        ///
        /// Match on it to handle single kinds, or use its word as the label of a metric. The words do not change.
        ///
        /// ```
        /// use xray_core::diagnostics::Cause;
        ///
        /// assert_eq!(Cause::QueueFull.as_str(), "queue_full");
        /// assert_eq!(Cause::QueueFull.to_string(), "queue_full");
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Cause {
            $(#[doc = concat!("`", $word, "`:")] $(#[doc = $doc])+ $name,)+
            /// A message of a [`Sampler`](crate::sampling::Sampler) or [`Emitter`](crate::emit::Emitter) outside this
            /// crate, with a word of its own.
            Custom(&'static str),
        }

        impl Cause {
            /// Returns the cause as a word in snake case, for logs and metrics.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Cause::$name => $word,)+
                    Cause::Custom(word) => word,
                }
            }

            /// All causes except custom ones.
            #[cfg(test)]
            const ALL: &[Cause] = &[$(Cause::$name,)+];
        }
    };
}

causes! {
    /// The key of an annotation had characters that X-Ray rejects, and was changed.
    AnnotationKey = "annotation_key",
    /// An annotation was dropped, because its entity has too many.
    AnnotationDropped = "annotation_dropped",
    /// Code needed the current entity, but there was none.
    ContextMissing = "context_missing",
    /// No X-Ray daemon listens at its address.
    DaemonAbsent = "daemon_absent",
    /// The host name of the daemon resolved to a new address.
    DaemonResolved = "daemon_resolved",
    /// The host name of the daemon did not resolve.
    DaemonUnresolved = "daemon_unresolved",
    /// A sampling decision: whether a request is recorded, by which rule, and why.
    Decision = "decision",
    /// Documents are sent again after some were lost.
    DeliveryResumed = "delivery_resumed",
    /// A document was sent, held back or dropped.
    Document = "document",
    /// The emitter, which may be the application's code, panicked.
    EmitterPanicked = "emitter_panicked",
    /// Environment variables had invalid values.
    Environment = "environment",
    /// An exception was dropped, because the error's own code panicked or its entity has too many.
    Exception = "exception",
    /// Code tried to change the segment of a Lambda function, which Lambda itself sends, or a span of another SDK.
    Facade = "facade",
    /// A Lambda invocation had no usable trace header.
    InvocationHeader = "invocation_header",
    /// `install` was called after the process already had a recorder.
    LateInstall = "late_install",
    /// Code wrote to an entity that is closed.
    LateWrite = "late_write",
    /// Metadata was dropped.
    Metadata = "metadata",
    /// The name of a segment or subsegment had characters that X-Ray rejects, and was changed.
    Name = "name",
    /// The thread that sends documents could not be started.
    NoEmitterThread = "no_emitter_thread",
    /// The thread that fetches sampling rules could not be started.
    NoSamplingThread = "no_sampling_thread",
    /// A document was dropped, because it is too large for a datagram.
    Oversize = "oversize",
    /// A host pattern can never match.
    Pattern = "pattern",
    /// What a plugin detected, or why it detected nothing.
    Plugin = "plugin",
    /// A document was dropped, because the queue is full.
    QueueFull = "queue_full",
    /// The sampler, which may be the application's code, panicked.
    SamplerPanicked = "sampler_panicked",
    /// The X-Ray service cannot be reached, so sampling rules cannot be fetched.
    SamplingService = "sampling_service",
    /// The X-Ray service can be reached again.
    SamplingServiceBack = "sampling_service_back",
    /// The X-Ray service rejected the statistics of a sampling rule.
    SamplingStatistics = "sampling_statistics",
    /// An entity was too large for a datagram, and was trimmed.
    Trimmed = "trimmed",
    /// A document was dropped, because it could not be sent.
    Unsent = "unsent",
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_distinct_words_in_snake_case() {
        for cause in Cause::ALL {
            let word = cause.as_str();
            assert!(word.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase()), "{word}");
            assert_eq!(Cause::ALL.iter().filter(|other| other.as_str() == word).count(), 1, "{word}");
            assert_eq!(word.replace('_', ""), format!("{cause:?}").to_ascii_lowercase());
        }
        assert_eq!(Cause::Custom("my_sampler").to_string(), "my_sampler");
    }
}
