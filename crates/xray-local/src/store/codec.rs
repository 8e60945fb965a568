//! The encoding of documents and summaries in a store file.

use std::num::NonZeroU32;
use std::sync::Arc;

use crate::trace::{
    Beyond, Call, Flags, Label, LabelKind, Names, Passed, Service, Slice, Summary, SummaryAnnotation, SummaryValue,
};

/// Changes with each change of the encoding. Summaries of other versions are made again from the documents.
pub(super) const VERSION: u8 = 3;

/// Writes values one after the other.
#[derive(Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

/// Reads values one after the other; `None` if the bytes end early.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

macro_rules! numbers {
    ($($name:ident: $type:ty),*) => {
        impl Writer {
            $(pub(super) fn $name(&mut self, value: $type) {
                self.0.extend_from_slice(&value.to_le_bytes());
            })*
        }

        impl Reader<'_> {
            $(pub(super) fn $name(&mut self) -> Option<$type> {
                let (bytes, rest) = self.0.split_first_chunk()?;
                self.0 = rest;
                Some(<$type>::from_le_bytes(*bytes))
            })*
        }
    };
}

numbers!(u8: u8, u16: u16, u32: u32, u64: u64, f64: f64);

impl Writer {
    fn text(&mut self, text: &str) {
        // Lossless: a document is smaller than 4 GiB.
        self.u32(text.len() as u32);
        self.0.extend_from_slice(text.as_bytes());
    }

    fn optional(&mut self, text: Option<&str>) {
        self.u8(text.is_some().into());
        if let Some(text) = text {
            self.text(text);
        }
    }

    fn flags(&mut self, flags: Flags) {
        self.u8(flags.bits());
    }

    fn service(&mut self, service: &Service) {
        self.text(&service.name);
        self.text(&service.kind);
        self.text(&service.account);
    }

    pub(super) fn summary(&mut self, summary: &Summary) {
        self.u64(summary.start);
        self.u64(summary.duration);
        self.u64(summary.response_time);
        self.u32(summary.entities);
        self.u32(summary.revision);
        self.u16(summary.status);
        self.u16(summary.repeats);
        self.flags(summary.root);
        self.flags(summary.any);
        let bits = [summary.in_progress, summary.orphans, summary.is_cut(), summary.awaits_segment];
        self.u8(bits.into_iter().enumerate().map(|(bit, set)| u8::from(set) << bit).sum());
        self.text(&summary.name);
        self.optional(summary.method.as_deref());
        self.u32(summary.url.map_or(0, NonZeroU32::get));
        self.text(&summary.texts);
        self.u16(summary.services.len() as u16);
        for passed in &summary.services {
            self.service(&passed.service);
            self.u64(passed.duration);
            self.u16(passed.status);
            self.u16(passed.caller);
            self.flags(passed.flags);
            self.u8(u8::from(passed.inferred) | u8::from(passed.in_progress) << 1);
        }
        self.u16(summary.calls.len() as u16);
        for call in &summary.calls {
            self.u64(call.duration);
            self.u16(call.status);
            self.u16(call.service);
            self.flags(call.flags);
        }
        self.u16(summary.annotations.len() as u16);
        for annotation in &summary.annotations {
            self.text(&annotation.key);
            self.u16(annotation.service);
            match annotation.value {
                SummaryValue::Text(Slice { at, length }) => {
                    self.u8(0);
                    self.u32(at);
                    self.u32(length);
                }
                SummaryValue::Bool(value) => self.u8(1 + u8::from(value)),
                SummaryValue::Number(value) => {
                    self.u8(3);
                    self.f64(value);
                }
            }
        }
        self.u16(summary.labels.len() as u16);
        for label in &summary.labels {
            self.u8(label.kind as u8);
            self.text(&label.text);
            self.u16(label.service);
        }
        if let Some(beyond) = &summary.beyond {
            self.beyond(beyond);
        }
    }

    fn beyond(&mut self, Beyond { services, annotations, labels, is_cut }: &Beyond) {
        self.u16(services.len() as u16);
        services.iter().for_each(|service| self.service(service));
        self.u16(annotations.len() as u16);
        annotations.iter().for_each(|key| self.text(key));
        self.u16(labels.len() as u16);
        labels.iter().for_each(|kind| self.u8(*kind as u8));
        self.u8((*is_cut).into());
    }
}

impl<'a> Reader<'a> {
    fn text(&mut self) -> Option<&'a str> {
        let length = self.u32()? as usize;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    fn optional(&mut self) -> Option<Option<&'a str>> {
        if self.u8()? == 0 { Some(None) } else { self.text().map(Some) }
    }

    fn flags(&mut self) -> Option<Flags> {
        self.u8().map(Flags::from_bits)
    }

    fn list<T>(&mut self, mut element: impl FnMut(&mut Self) -> Option<T>) -> Option<Box<[T]>> {
        let length = self.u16()?;
        // Collecting would allocate several times. A damaged length is at most a few megabytes.
        let mut list = Vec::with_capacity(length.into());
        for _ in 0..length {
            list.push(element(self)?);
        }
        Some(list.into())
    }

    fn service(&mut self, names: &Names) -> Option<Arc<Service>> {
        Some(names.service_of((self.text()?, self.text()?, self.text()?)))
    }

    fn kind(&mut self) -> Option<LabelKind> {
        Some(match self.u8()? {
            0 => LabelKind::User,
            1 => LabelKind::InstanceId,
            2 => LabelKind::AvailabilityZone,
            _ => LabelKind::ResourceArn,
        })
    }

    fn beyond(&mut self, names: &Names) -> Option<Beyond> {
        let services = self.list(|reader| reader.service(names))?.into();
        let annotations = self.list(|reader| Some(names.text(reader.text()?)))?.into();
        let labels = self.list(Reader::kind)?.into();
        Some(Beyond { services, annotations, labels, is_cut: self.u8()? != 0 })
    }

    pub(super) fn summary(&mut self, names: &Names) -> Option<Summary> {
        let (start, duration, response_time) = (self.u64()?, self.u64()?, self.u64()?);
        let (entities, revision, status, repeats) = (self.u32()?, self.u32()?, self.u16()?, self.u16()?);
        let (root, any, bits) = (self.flags()?, self.flags()?, self.u8()?);
        let name = names.text(self.text()?);
        let method = self.optional()?.map(|text| names.text(text));
        let url = NonZeroU32::new(self.u32()?);
        let texts = self.text()?.into();
        let services = self.list(|reader| {
            let service = reader.service(names)?;
            let (duration, status, caller) = (reader.u64()?, reader.u16()?, reader.u16()?);
            let (flags, bits) = (reader.flags()?, reader.u8()?);
            let (inferred, in_progress) = (bits & 1 != 0, bits & 2 != 0);
            Some(Passed { service, duration, status, caller, flags, inferred, in_progress })
        })?;
        let calls = self.list(|reader| {
            let (duration, status, service) = (reader.u64()?, reader.u16()?, reader.u16()?);
            Some(Call { duration, status, service, flags: reader.flags()? })
        })?;
        let annotations = self.list(|reader| {
            let key = names.text(reader.text()?);
            let service = reader.u16()?;
            let value = match reader.u8()? {
                0 => SummaryValue::Text(Slice { at: reader.u32()?, length: reader.u32()? }),
                3 => SummaryValue::Number(reader.f64()?),
                value => SummaryValue::Bool(value == 2),
            };
            Some(SummaryAnnotation { key, value, service })
        })?;
        let labels = self.list(|reader| {
            let kind = reader.kind()?;
            Some(Label { kind, text: names.text(reader.text()?), service: reader.u16()? })
        })?;
        let beyond = if bits & 4 == 0 { None } else { Some(Box::new(self.beyond(names)?)) };
        Some(Summary {
            start,
            duration,
            response_time,
            entities,
            revision,
            status,
            repeats,
            root,
            any,
            in_progress: bits & 1 != 0,
            orphans: bits & 2 != 0,
            beyond,
            awaits_segment: bits & 8 != 0,
            name,
            method,
            url,
            texts,
            services,
            calls,
            annotations,
            labels,
        })
    }
}

/// Encodes a trace row: when its last document arrived, its size, and its summary if that is up to date.
pub(super) fn row(arrived: u64, bytes: u64, summary: Option<&Summary>) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.u8(if summary.is_some() { VERSION } else { 0 });
    writer.u64(arrived);
    writer.u64(bytes);
    if let Some(summary) = summary {
        writer.summary(summary);
    }
    writer.0
}

/// Decodes a trace row. The summary is `None` if it must be made again: nothing is awaited any more.
pub(super) fn parse_row(bytes: &[u8], names: &Names) -> Option<(u64, u64, Option<Arc<Summary>>)> {
    let mut reader = Reader(bytes);
    let version = reader.u8()?;
    let (arrived, bytes) = (reader.u64()?, reader.u64()?);
    let summary = if version == VERSION { reader.summary(names) } else { None };
    let summary = summary.filter(|summary| !summary.awaits_segment).map(Arc::new);
    Some((arrived, bytes, summary))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::Store;

    #[test]
    fn a_summary_is_read_as_it_was_written() {
        let text = r#"{"trace_id":"1-5759e988-bd862e3fe1be46a994272793","id":"00000000000000aa","name":"shop",
            "start_time":1480615200,"end_time":1480615201.5,"origin":"AWS::ECS::Container","user":"ü","fault":true,
            "http":{"request":{"method":"GET","url":"http://a"},"response":{"status":500}},
            "annotations":{"a":true,"b":1.5,"c":"x"},"aws":{"ec2":{"instance_id":"i-1","availability_zone":"eu-1a"}},
            "subsegments":[{"id":"00000000000000bb","name":"S3","namespace":"aws","start_time":1480615200,"in_progress":true}]}"#;
        let store = Store::new();
        store.accept_document(text).unwrap();
        let summary = store.summaries(0).remove(0).summary;
        assert_eq!((summary.services.len(), summary.annotations.len(), summary.labels.len()), (2, 3, 3));
        let bytes = row(7, 8, Some(&summary));
        let names = Names::default();
        for max in [0, 1, 2] {
            let (cut, _) = Summary::build(&store.traces()[0], 1, &names, max);
            assert!(cut.is_cut());
            assert_eq!(parse_row(&row(7, 8, Some(&cut)), &names), Some((7, 8, Some(Arc::new(cut)))));
        }
        assert_eq!(parse_row(&bytes, &names), Some((7, 8, Some(Arc::clone(&summary)))));
        for length in 17..bytes.len() {
            assert_eq!(parse_row(&bytes[..length], &names), Some((7, 8, None)), "{length}");
        }
        assert_eq!(parse_row(&row(7, 8, None), &names), Some((7, 8, None)));
    }

    proptest! {
        #[test]
        fn a_damaged_row_causes_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let names = Names::default();
            _ = parse_row(&bytes, &names);
            _ = parse_row(&[&row(1, 2, None)[1..], &bytes].concat(), &names);
            _ = parse_row(&[&[VERSION], bytes.as_slice()].concat(), &names);
            _ = crate::store::Packed::from_bytes(&bytes).map(|packed| packed.text());
        }
    }
}
