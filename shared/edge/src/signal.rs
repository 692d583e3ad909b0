//! Signals: the metrics that alarms listen to.
//!
//! A signal is counted as a metric of `CloudWatch` in the embedded metric format: one line of JSON
//! on the standard output, from which `CloudWatch` takes the metric. The namespace is the stack's
//! name, so an alarm reads only the metrics of its own stack. A test joins the list to the alarms
//! of the template.

use aws_smithy_async::time::SharedTimeSource;
use serde_json::json;
use std::{fmt, io::Write, time::UNIX_EPOCH};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

/// The target of the log events that are signals.
pub(crate) const TARGET: &str = "signal";

macro_rules! signals {
    ($($(#[doc = $documentation:literal])+ $signal:ident,)+) => {
        /// What an operator must know of. The metric has the signal's name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Signal {
            $($(#[doc = $documentation])+ $signal,)+
        }

        impl Signal {
            /// Every signal.
            pub const ALL: &'static [Self] = &[$(Self::$signal,)+];

            /// The name of the metric.
            pub const fn metric(self) -> &'static str {
                match self {
                    $(Self::$signal => stringify!($signal),)+
                }
            }
        }
    };
}

signals! {
    /// A function reports a fault.
    Fault,
    /// A refusal is answered with 5xx, as callers were promised: a card was declined, or a partner
    /// is overloaded.
    RefusedWith5xx,
    /// The result of a payment stays unknown, or a refund does not succeed.
    PaymentNotSettled,
    /// A text message is dropped because of overload.
    SmsShed,
    /// A customer could not be notified for a long time.
    CustomerNotNotified,
    /// The notifier rejected a message permanently.
    NotificationRejected,
    /// A run of a sales channel ended with an error.
    CollectionFailed,
    /// A sales channel lists an entry that cannot be read.
    MalformedChannelEntry,
    /// The credentials of a sales channel expire soon.
    CredentialsExpiring,
    /// A webhook delivery is exhausted, or its endpoint is gone.
    WebhookExhausted,
    /// The audit found a violation.
    AuditViolation,
}

/// Counts a signal once. The circumstances belong into a log line beside it.
pub fn signal(signal: Signal) {
    tracing::info!(target: TARGET, metric = signal.metric());
}

/// Writes each signal as a line in the embedded metric format.
pub(crate) struct EmbeddedMetrics {
    pub(crate) namespace: String,
    pub(crate) time: SharedTimeSource,
}

impl<S: Subscriber> Layer<S> for EmbeddedMetrics {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != TARGET {
            return;
        }
        let mut metric = MetricName(None);
        event.record(&mut metric);
        if let Some(metric) = metric.0 {
            let line = self.line(&metric);
            // A metric that cannot be written must not fail the work that it counts.
            drop(std::io::stdout().lock().write_all(line.as_bytes()));
        }
    }
}

impl EmbeddedMetrics {
    fn line(&self, metric: &str) -> String {
        let since_epoch = self.time.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let directive = json!({
            "Namespace": self.namespace, "Dimensions": [[]], "Metrics": [{ "Name": metric, "Unit": "Count" }],
        });
        let timestamp = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
        let line = json!({ "_aws": { "Timestamp": timestamp, "CloudWatchMetrics": [directive] }, metric: 1 });
        format!("{line}\n")
    }
}

struct MetricName(Option<String>);

impl Visit for MetricName {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "metric" {
            self.0 = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_async::time::StaticTimeSource;
    use serde_json::Value;

    #[test]
    fn a_signal_is_one_line_in_the_embedded_metric_format() {
        let time = SharedTimeSource::new(StaticTimeSource::from_secs(1_700_000_000));
        let line =
            EmbeddedMetrics { namespace: "shop".into(), time }.line(Signal::SmsShed.metric());
        assert_eq!(line.matches('\n').count(), 1);
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["_aws"]["Timestamp"], 1_700_000_000_000_u64);
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(
            (&directive["Namespace"], &directive["Dimensions"]),
            (&json!("shop"), &json!([[]]))
        );
        assert_eq!(
            (&directive["Metrics"][0]["Name"], &line["SmsShed"]),
            (&json!("SmsShed"), &json!(1))
        );
    }
}
