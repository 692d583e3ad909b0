//! The parts of SQS requests: batches, delays, receipt handles, characters.

use super::{
    AwsError, AwsResult, BTreeSet, Digest, Duration, MAX_IN_BATCH, MAX_MESSAGE_BYTES, Md5, Value,
    Write, json,
};

/// Whether XML 1.0 allows a character. SQS and EventBridge accept no others.
pub(crate) const fn is_xml(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Validates a batch request and handles its entries. Each entry succeeds or fails on its own.
pub(super) fn batch(request: &Value, handle: impl Fn(&Value) -> AwsResult) -> AwsResult {
    let entries = request["Entries"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut ids = BTreeSet::new();
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for id in entries.iter().map(|entry| entry["Id"].as_str().unwrap_or_default()) {
        let is_id = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if !(1..=80).contains(&id.len()) || !id.bytes().all(is_id) {
            return Err(AwsError::new(
                "InvalidBatchEntryId",
                "An id must have 1 to 80 letters, digits, '-' or '_'.",
            ));
        }
        if !ids.insert(id) {
            return Err(AwsError::new(
                "BatchEntryIdsNotDistinct",
                format!("The id {id} is not unique in the batch."),
            ));
        }
    }
    match entries.len() {
        0 => return Err(AwsError::new("EmptyBatchRequest", "A batch must have at least 1 entry.")),
        1..=MAX_IN_BATCH => {}
        _ => {
            return Err(AwsError::new(
                "TooManyEntriesInBatchRequest",
                "A batch must have at most 10 entries.",
            ));
        }
    }
    let bytes: usize =
        entries.iter().map(|entry| entry["MessageBody"].as_str().map_or(0, str::len)).sum();
    if bytes > MAX_MESSAGE_BYTES {
        return Err(AwsError::new(
            "BatchRequestTooLong",
            "A batch must have at most 1 MiB in total.",
        ));
    }
    for entry in entries {
        match handle(entry) {
            Ok(mut result) => {
                result["Id"] = entry["Id"].clone();
                successful.push(result);
            }
            Err(error) => {
                failed.push(
                    json!({ "Id": entry["Id"], "Code": error.code, "Message": error.message, "SenderFault": true }),
                );
            }
        }
    }
    Ok(json!({ "Successful": successful, "Failed": failed }))
}

/// Reads an optional number of seconds from 0 to `max`.
pub(super) fn seconds(
    request: &Value,
    field: &str,
    max: u64,
) -> Result<Option<Duration>, AwsError> {
    let value = &request[field];
    match value.as_u64() {
        Some(seconds) if seconds <= max => Ok(Some(Duration::from_secs(seconds))),
        None if value.is_null() => Ok(None),
        Some(_) | None => Err(AwsError::new(
            "InvalidParameterValue",
            format!("{field} must be between 0 and {max}."),
        )),
    }
}

pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 2)
}

pub(super) fn message_id(number: u64) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}

/// Returns the queue and the message number in a receipt handle.
pub(super) fn read_receipt(receipt_handle: &str) -> Result<(&str, u64), AwsError> {
    let mut parts = receipt_handle.split('/');
    let parsed = parts.next().zip(parts.next().and_then(|number| number.parse().ok()));
    parsed
        .ok_or_else(|| AwsError::new("ReceiptHandleIsInvalid", "The receipt handle is not valid."))
}

pub(super) fn md5(body: &str) -> String {
    let mut hex = String::with_capacity(32);
    for byte in Md5::digest(body) {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}
