//! A page for Prometheus as it grows, metric by metric.

use super::histogram::{BUCKETS, Histogram};
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabelValue, EncodeMetric,
    MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::fmt;

/// The page as it grows.
pub(super) struct MetricsPage<'a>(DescriptorEncoder<'a>);

impl<'a> MetricsPage<'a> {
    pub(super) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        MetricsPage(encoder)
    }

    /// A counter.
    pub(super) fn counter(
        &mut self,
        name: &str,
        help: &str,
        value: impl EncodeCounterValue,
    ) -> fmt::Result {
        let encoder = self.describe(name, help, MetricType::Counter)?;
        ConstCounter::new(value).encode(encoder)
    }

    /// A counter with labels.
    pub(super) fn counters<V: EncodeLabelValue, const LABELS: usize>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = ([(&'static str, V); LABELS], u64)>,
    ) -> fmt::Result {
        let mut encoder = self.describe(name, help, MetricType::Counter)?;
        for (labels, value) in series {
            ConstCounter::new(value).encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }

    /// A gauge.
    pub(super) fn gauge(
        &mut self,
        name: &str,
        help: &str,
        value: impl EncodeGaugeValue,
    ) -> fmt::Result {
        let encoder = self.describe(name, help, MetricType::Gauge)?;
        ConstGauge::new(value).encode(encoder)
    }

    /// A gauge with labels.
    pub(super) fn gauges<const LABELS: usize>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = ([(&'static str, &'static str); LABELS], usize)>,
    ) -> fmt::Result {
        let mut encoder = self.describe(name, help, MetricType::Gauge)?;
        for (labels, value) in series {
            ConstGauge::new(value).encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }

    /// A gauge, if its value is known.
    pub(super) fn optional(
        &mut self,
        name: &str,
        help: &str,
        value: Option<impl EncodeGaugeValue>,
    ) -> fmt::Result {
        value.map_or(Ok(()), |value| self.gauge(name, help, value))
    }

    /// A histogram with values in a unit of `scale`.
    pub(super) fn histogram<const FIRST: u32>(
        &mut self,
        name: &str,
        help: &str,
        histogram: &Histogram<FIRST>,
        scale: f64,
    ) -> fmt::Result {
        let mut buckets = [(0.0, 0); BUCKETS];
        for (bucket, (bound, count)) in buckets.iter_mut().zip(histogram.buckets()) {
            *bucket = (bound * scale, count);
        }
        let sum = histogram.sum() as f64 * scale;
        let mut encoder = self.describe(name, help, MetricType::Histogram)?;
        encoder.encode_histogram::<NoLabelSet>(sum, histogram.count(), &buckets, None)
    }

    fn describe<'s>(
        &'s mut self,
        name: &'s str,
        help: &str,
        metric_type: MetricType,
    ) -> Result<MetricEncoder<'s>, fmt::Error> {
        self.0.encode_descriptor(name, help, None, metric_type)
    }
}
