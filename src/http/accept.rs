//! The media type that a client prefers (RFC 9110 §12.5.1).

use crate::proto::Head;

/// Whether a client accepts OpenMetrics, and prefers it no less than plain text. It has to name the type:
/// for a client that takes anything, plain text is safer.
pub(super) fn accepts_open_metrics(head: &Head) -> bool {
    let open_metrics = weight(head, &["application/openmetrics-text"]);
    open_metrics > 0.0 && open_metrics >= weight(head, &["text/plain", "text/*", "*/*"])
}

/// Whether a client accepts server-sent events, and says so: one that takes anything may want something else.
pub(super) fn accepts_events(head: &Head) -> bool {
    weight(head, &["text/event-stream"]) > 0.0
}

/// The weight of a type, from 0 (don't) to 1: that of the first of these ranges which the request names.
/// If it does so several times, with different parameters, the highest counts.
fn weight(head: &Head, ranges: &[&str]) -> f32 {
    let named = |range: &&str| {
        let accepted = head.headers.tokens("Accept");
        accepted
            .filter_map(|accepted| weight_in(accepted, range))
            .reduce(f32::max)
    };
    ranges.iter().find_map(named).unwrap_or(0.0)
}

/// The weight that a member of an Accept header gives, if it is about this range of types. A
/// malformed weight counts as 0.
fn weight_in(accepted: &str, range: &str) -> Option<f32> {
    let mut parts = accepted.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case(range) {
        return None;
    }
    let mut weights = parts.filter_map(|part| part.strip_prefix(['q', 'Q'])?.strip_prefix('='));
    let Some(weight) = weights.next() else {
        return Some(1.0);
    };
    let weight = weight.parse().ok();
    Some(
        weight
            .filter(|weight| (0.0..=1.0).contains(weight))
            .unwrap_or(0.0),
    )
}
