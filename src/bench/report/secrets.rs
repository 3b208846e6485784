//! Reports are passed around, and headers carry credentials: their names go into a report, their
//! values don't.

use serde_json::Value;

const MASK: &str = "***";

/// The command line, as a report may show it.
pub(super) fn masked_command(arguments: impl Iterator<Item = String>) -> Vec<String> {
    let mut is_header = false;
    let masked = |argument: String| {
        let was_header = std::mem::replace(&mut is_header, argument == "--header");
        match argument.strip_prefix("--header=") {
            Some(header) => format!("--header={}", masked_header(header)),
            None if was_header => masked_header(&argument),
            None => argument,
        }
    };
    arguments.map(masked).collect()
}

fn masked_header(header: &str) -> String {
    match header.split_once(':') {
        Some((name, _)) => format!("{name}: {MASK}"),
        None => MASK.into(),
    }
}

/// Masks the headers among a scenario's options, which are pairs of a name and a value.
pub(super) fn mask_settings(settings: &mut Value) {
    let headers = settings.pointer_mut("/target/header");
    for header in headers.and_then(Value::as_array_mut).into_iter().flatten() {
        header[1] = MASK.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_of_headers_are_masked() {
        let command = [
            "idle",
            "--header",
            "A: secret",
            "--header=B:secret",
            "ws://h",
        ];
        let masked = masked_command(command.map(String::from).into_iter());
        let expected = ["idle", "--header", "A: ***", "--header=B: ***", "ws://h"];
        assert_eq!(masked, expected);

        let mut settings = json!({"target": {"header": [["A", "secret"], ["B", "x"]]}});
        mask_settings(&mut settings);
        let expected = json!({"target": {"header": [["A", "***"], ["B", "***"]]}});
        assert_eq!(settings, expected);
    }
}
