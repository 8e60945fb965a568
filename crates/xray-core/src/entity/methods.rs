//! The methods that segments, subsegments and the current entity share.

/// Defines the shared methods. The type has a method `handle`.
macro_rules! shared_methods {
    ($name:ident) => {
        impl $name {
            /// Adds an annotation, which X-Ray indexes for search: a text, a boolean or a number.
            ///
            /// Takes values and references to them; `None` adds nothing. See
            /// [`AnnotationValue`](crate::AnnotationValue). Annotating a key again replaces its value.
            ///
            /// Characters of the key other than ASCII letters, digits and `_` become `_`. An entity keeps 50
            /// annotations and 52 KiB of them. The SDK drops further ones, logs a warning and counts them in
            /// [`Stats::annotations_dropped`](crate::stats::Stats::annotations_dropped). Texts are cut to 1,000 characters.
            ///
            /// ```
            /// # let (recorder, traces) = xray_core::Recorder::in_memory();
            /// let segment = recorder.begin("shop");
            /// segment.annotate("order_id", 7).annotate("tier", "gold").annotate("cached", false);
            /// # segment.close();
            /// # assert_eq!(traces.take().single().tree(), "shop [cached=false, order_id=7, tier=gold]\n");
            /// ```
            ///
            /// In the X-Ray console, `annotation[order_id] = 7` finds the trace. You can annotate at any time before the
            /// close, and an optional value needs no `if`:
            ///
            /// ```
            /// # let (recorder, _traces) = xray_core::Recorder::in_memory();
            /// # let coupon: Option<String> = None;
            /// let segment = recorder.begin("shop");
            /// segment.annotate("coupon", &coupon); // adds nothing for `None`
            /// segment.annotate("state", "packed");
            /// segment.annotate("state", "sent"); // replaces "packed"
            /// ```
            pub fn annotate<'v>(&self, key: &str, value: impl Into<crate::AnnotationValue<'v>>) -> &Self {
                self.handle().annotate(key, value);
                self
            }

            /// Adds metadata, which X-Ray shows but does not index, in the namespace `default`.
            ///
            /// The value is serialized at once, so later changes to it have no effect. If serialization fails, the SDK
            /// drops the value and logs a warning. Adding a key again replaces its value. `None` and `()` are recorded
            /// as an empty text.
            ///
            /// An entity keeps up to 1,000 values, 256 KiB in total; a document holds less. A value beyond the
            /// 256 KiB is replaced by a marker with its size. Keys and namespaces are cut to 250 characters.
            ///
            /// ```
            /// # let (recorder, _traces) = xray_core::Recorder::in_memory();
            /// use std::collections::BTreeMap;
            ///
            /// let segment = recorder.begin("shop");
            /// segment.metadata("cart", &BTreeMap::from([("tea", 2), ("milk", 1)]));
            /// ```
            ///
            /// Types that derive [`serde::Serialize`](crate::serde::Serialize) need no conversion, and
            /// [`json!`](crate::serde_json::json) makes values on the spot:
            ///
            /// ```
            /// # let (recorder, traces) = xray_core::Recorder::in_memory();
            /// use xray_core::serde_json::json;
            ///
            /// let segment = recorder.begin("shop");
            /// segment.metadata("query", &json!({ "page": 3, "sort": ["price", "name"] }));
            /// # segment.close();
            /// # let document = traces.take().documents()[0].json().to_owned();
            /// # assert!(document.contains(r#""metadata":{"default":{"query":{"page":3,"#), "{document}");
            /// ```
            pub fn metadata<T: serde::Serialize + ?Sized>(&self, key: &str, value: &T) -> &Self {
                self.metadata_in("default", key, value)
            }

            /// Adds metadata in a namespace other than `default`.
            ///
            /// X-Ray reserves the namespaces that begin with `AWS.`: the SDK drops such values and logs a warning. The
            /// limits are those of [`metadata`](Self::metadata).
            ///
            /// ```
            /// # let (recorder, _traces) = xray_core::Recorder::in_memory();
            /// let segment = recorder.begin("shop");
            /// segment.metadata_in("billing", "currency", "EUR");
            /// ```
            pub fn metadata_in<T: serde::Serialize + ?Sized>(&self, namespace: &str, key: &str, value: &T) -> &Self {
                self.handle().metadata(namespace, key, value);
                self
            }

            /// Adds metadata that is expensive to compute.
            ///
            /// The SDK calls `value` only if the entity is [recording](Self::is_recording). If `value` panics, the SDK
            /// catches the panic and records nothing.
            ///
            /// ```
            /// # let (recorder, _traces) = xray_core::Recorder::in_memory();
            /// # let items = vec![1, 2, 3];
            /// let segment = recorder.begin("shop");
            /// segment.metadata_with("largest", || items.iter().max().copied());
            /// ```
            pub fn metadata_with<T: serde::Serialize>(&self, key: &str, value: impl FnOnce() -> T) -> &Self {
                if self.is_recording()
                    && let Some(value) = crate::user_code::call(value)
                {
                    self.metadata(key, &value);
                }
                self
            }

            /// Records a failure of this service, like a 5xx: sets the fault flag and adds an exception.
            ///
            /// Takes errors and references to them, `Box<dyn Error>`, reports of `anyhow` and `eyre`, and text. The
            /// exception has the error's type and message, and each error of its `source()` chain. If the same error
            /// was recorded further down in the trace, this entity refers to that exception by its id instead of
            /// repeating it.
            ///
            /// An entity keeps 32 exceptions. The SDK drops further ones, logs a warning and still sets the flag.
            ///
            /// ```
            /// # let (recorder, traces) = xray_core::Recorder::in_memory();
            /// let segment = recorder.begin("shop");
            /// if let Err(error) = "80x".parse::<u16>() {
            ///     segment.fault(&error); // by reference: the error can still be returned
            /// }
            /// # segment.close();
            /// # assert_eq!(traces.take().single().tree(), "shop fault\n");
            /// ```
            ///
            /// A text is enough where there is no error value:
            ///
            /// ```
            /// # let (recorder, _traces) = xray_core::Recorder::in_memory();
            /// # let stock = 0;
            /// let segment = recorder.begin("shop");
            /// if stock == 0 {
            ///     segment.fault("the stock is empty");
            /// }
            /// ```
            ///
            /// [`try_capture`](crate::try_capture) and [`try_in_subsegment`](crate::FutureExt::try_in_subsegment) call
            /// this for an `Err`.
            pub fn fault<M>(&self, error: impl crate::ToException<M>) -> &Self {
                self.handle().fail(crate::Flag::Fault, error);
                self
            }

            /// Records a failure that the caller caused, like a 4xx: sets the error flag and adds an exception.
            ///
            /// Accepts the same errors as [`fault`](Self::fault), with the same limits.
            ///
            /// ```
            /// # let (recorder, traces) = xray_core::Recorder::in_memory();
            /// let segment = recorder.begin("shop");
            /// segment.error("the quantity is not a number");
            /// # segment.close();
            /// # assert_eq!(traces.take().single().tree(), "shop error\n");
            /// ```
            pub fn error<M>(&self, error: impl crate::ToException<M>) -> &Self {
                self.handle().fail(crate::Flag::Error, error);
                self
            }

            /// Records that the caller must slow down, like a 429: sets the throttle and the error flag.
            pub fn throttle(&self) -> &Self {
                self.mark(crate::Flag::Throttle).mark(crate::Flag::Error)
            }

            /// Sets one flag and nothing else. A flag cannot be unset.
            ///
            /// ```
            /// # let (recorder, _traces) = xray_core::Recorder::in_memory();
            /// use xray_core::Flag;
            /// use xray_core::http::flags_of_status;
            ///
            /// let segment = recorder.begin("shop");
            /// for flag in flags_of_status(503) {
            ///     segment.mark(*flag); // `Flag::Fault`
            /// }
            /// ```
            pub fn mark(&self, flag: crate::Flag) -> &Self {
                self.handle().mark(flag);
                self
            }

            /// Begins a subsegment below this entity.
            ///
            /// The subsegment is not current until it is entered: see [`Subsegment::enter`](crate::Subsegment::enter)
            /// and [`Subsegment::scope`](crate::Subsegment::scope). [`capture`](crate::capture) and its async forms
            /// begin, enter and close one in a single call.
            ///
            /// Characters that X-Ray does not accept are removed, and names are cut to 200 characters: see
            /// [`clean_name`](crate::clean_name).
            ///
            /// ```
            /// # let (recorder, traces) = xray_core::Recorder::in_memory();
            /// let segment = recorder.begin("shop");
            /// let packing = segment.subsegment("pack");
            /// packing.annotate("parcels", 2);
            /// packing.close();
            /// # segment.close();
            /// # assert_eq!(traces.take().single().tree(), "shop\n  pack [parcels=2]\n");
            /// ```
            #[must_use = "a subsegment closes when its last handle is dropped"]
            pub fn subsegment(&self, name: impl AsRef<str>) -> crate::Subsegment {
                crate::Subsegment::begun(self.handle().begin_child(name.as_ref()))
            }

            /// Returns the time by the clock of this trace, for `close_at` and
            /// [`subsegment_at`](Self::subsegment_at). Unlike the wall clock, it is never set back during a trace.
            ///
            /// ```
            /// # let (recorder, traces) = xray_core::Recorder::in_memory();
            /// # let segment = recorder.begin("shop");
            /// let query = segment.subsegment("query");
            /// let end = query.now();
            /// // Later, when its rows are read:
            /// query.close_at(end);
            /// ```
            pub fn now(&self) -> std::time::SystemTime {
                self.handle().now()
            }

            /// Begins a subsegment that started at `start`, for work that began earlier.
            ///
            /// With [`close_at`](crate::Subsegment::close_at) it records work whose times are known only afterwards.
            ///
            /// ```
            /// # let (recorder, _traces) = xray_core::Recorder::in_memory();
            /// use std::time::{Duration, SystemTime};
            ///
            /// let segment = recorder.begin("shop");
            /// let queued_at = SystemTime::now() - Duration::from_millis(20); // from the message, say
            /// segment.subsegment_at("in the queue", queued_at).close();
            /// ```
            #[must_use = "a subsegment closes when its last handle is dropped"]
            pub fn subsegment_at(&self, name: impl AsRef<str>, start: std::time::SystemTime) -> crate::Subsegment {
                crate::Subsegment::begun(self.handle().begin_child_at(name.as_ref(), start))
            }

            /// Returns a subsegment that records neither itself nor anything below it.
            ///
            /// Calls made in it carry `Sampled=0`, so the called services record nothing either.
            ///
            /// ```
            /// # let (recorder, traces) = xray_core::Recorder::in_memory();
            /// let segment = recorder.begin("shop");
            /// {
            ///     let _in = segment.unsampled_subsegment().enter();
            ///     xray_core::capture("poll", |_| ()); // not recorded
            /// }
            /// # segment.close();
            /// # assert_eq!(traces.take().single().tree(), "shop\n");
            /// ```
            #[must_use = "a subsegment closes when its last handle is dropped"]
            pub fn unsampled_subsegment(&self) -> crate::Subsegment {
                crate::Subsegment::begun(self.handle().unsampled_child())
            }

            /// Sends the entity now, marked as in progress, so that X-Ray shows it before it closes.
            ///
            /// The document that is sent at its close replaces this one. Does nothing while tail sampling has not
            /// decided on the trace.
            ///
            /// ```
            /// # let (recorder, traces) = xray_core::Recorder::in_memory();
            /// let segment = recorder.begin("nightly import");
            /// segment.announce();
            /// assert_eq!(traces.take().single().tree(), "nightly import in_progress\n");
            /// ```
            pub fn announce(&self) -> &Self {
                if let Some(node) = self.handle().recorded() {
                    node.announce();
                }
                self
            }

            /// Returns whether the entity is sampled and still open, so that what is added now reaches X-Ray.
            pub fn is_recording(&self) -> bool {
                self.handle().is_recording()
            }

            /// Returns whether the trace is sampled. Calls to other services carry this decision.
            ///
            /// While tail sampling has not decided on the trace, this is `true`.
            pub fn is_sampled(&self) -> bool {
                self.handle().recorded().is_some()
            }

            /// Returns the id of the trace. `None` if the SDK is disabled or there is no current entity.
            ///
            /// A trace that is not sampled has an id too, so that log lines can name it:
            ///
            /// ```
            /// # let (recorder, _traces) = xray_core::Recorder::in_memory();
            /// let segment = recorder.begin("shop");
            /// if let Some(trace_id) = segment.trace_id() {
            ///     println!("AWS-XRAY-TRACE-ID: {trace_id}");
            /// }
            /// ```
            pub fn trace_id(&self) -> Option<crate::TraceId> {
                self.handle().trace_id()
            }

            /// Returns the id of this entity, or `None` when [`trace_id`](Self::trace_id) does.
            pub fn id(&self) -> Option<crate::EntityId> {
                self.handle().id()
            }

            /// Returns the `X-Amzn-Trace-Id` of a call made here, or `None` when [`trace_id`](Self::trace_id) does.
            ///
            /// For protocols that no adapter knows; the receiver continues the trace with
            /// [`Recorder::begin_from`](crate::Recorder::begin_from).
            ///
            /// ```
            /// # let (recorder, _traces) = xray_core::Recorder::in_memory();
            /// # let mut message_attributes = std::collections::HashMap::new();
            /// let segment = recorder.begin("shop");
            /// if let Some(header) = segment.trace_header() {
            ///     message_attributes.insert("AWSTraceHeader", header.to_string());
            /// }
            /// ```
            pub fn trace_header(&self) -> Option<crate::TraceHeader<'_>> {
                self.handle().trace_header()
            }

            /// Returns the `traceparent` of a call made here, for services that use OpenTelemetry.
            ///
            /// `None` when [`trace_id`](Self::trace_id) is, and for a trace that Lambda passes through
            /// without a decision, which `traceparent` cannot express.
            pub fn traceparent(&self) -> Option<crate::TraceParent> {
                self.handle().traceparent()
            }
        }

        /// Shows trace id, id, whether it is sampled and whether it is open; never the content.
        ///
        /// An entity that is not sampled has no `open`, and one outside any trace has no ids.
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.handle().debug(stringify!($name), f)
            }
        }
    };
}
pub(super) use shared_methods;
