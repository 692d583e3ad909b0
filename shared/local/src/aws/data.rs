//! DynamoDB: the embedded database, its streams, and the platform's own state in it.

use super::{AwsError, Reply};
use crate::{clock::Clock, template::TableSpec};
use aws_smithy_types::base64;
use dynoxide::{
    Database, DynoxideError,
    actions::{
        get_records::GetRecordsRequest, get_shard_iterator::GetShardIteratorRequest,
        transact_write_items::TransactWriteItemsRequest,
    },
    streams::{shard_id, stream_arn},
};
use serde_json::{Value, json};
use std::{
    collections::{HashMap, VecDeque},
    fmt,
    hash::{DefaultHasher, Hasher},
    path::Path,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

/// The table with the platform's own state. It exists only in a data file.
const PLATFORM_TABLE: &str = "jumun-platform";

/// An index on the stream records. Without it, each write to a table with a stream reads all
/// earlier records of the stream.
const STREAM_INDEX: &str = "CREATE INDEX IF NOT EXISTS stream_by_sequence \
    ON _stream_records(table_name, CAST(sequence_number AS INTEGER))";

/// How long a transaction's `ClientRequestToken` is remembered, as in DynamoDB.
const TOKEN_LIFETIME: Duration = Duration::from_mins(10);

/// The embedded database.
pub(crate) struct Data {
    db: Database,
    /// Whether the database is in a file.
    is_persistent: bool,
    tokens: Mutex<Tokens>,
}

/// The recently committed transactions by `ClientRequestToken`. They are used instead of the
/// embedded database's own token check, which searches all tokens for each transaction and so
/// becomes slower with every order.
#[derive(Default)]
struct Tokens {
    /// The digest of each transaction by its token.
    committed: HashMap<String, u64>,
    /// The tokens with their commit times, oldest first.
    by_age: VecDeque<(Instant, String)>,
}

impl Tokens {
    /// Removes expired tokens. Returns the digest of the transaction committed under `token`.
    fn committed(&mut self, token: &str) -> Option<u64> {
        while self.by_age.front().is_some_and(|(at, _)| at.elapsed() > TOKEN_LIFETIME) {
            if let Some((_, token)) = self.by_age.pop_front() {
                self.committed.remove(&token);
            }
        }
        self.committed.get(token).copied()
    }

    fn remember(&mut self, token: String, digest: u64) {
        self.by_age.push_back((Instant::now(), token.clone()));
        self.committed.insert(token, digest);
    }
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Data").field("is_persistent", &self.is_persistent).finish_non_exhaustive()
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Data {
    /// Creates a database in memory. Its tables and its index are created in a file once per
    /// process and then loaded, because the index cannot be created in memory.
    pub(crate) fn in_memory(tables: &[TableSpec], clock: Clock) -> Result<Self, Failure> {
        static PREPARED: OnceLock<Vec<u8>> = OnceLock::new();
        // A folder of its own, because SQLite creates more files next to the database file.
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("tables");
        let path = file.to_str().ok_or("the path of the temporary folder is not valid UTF-8")?;
        if let Some(prepared) = PREPARED.get() {
            std::fs::write(&file, prepared)?;
        } else {
            create_tables(&Database::new(path)?, tables)?;
            index_streams(&file)?;
            let _ = PREPARED.set(std::fs::read(&file)?);
        }
        let db = Database::memory_with_clock(Arc::new(clock))?;
        db.restore_from(path)?;
        Ok(Self { db, is_persistent: false, tokens: Mutex::default() })
    }

    /// Opens or creates a database in a file. A killed process does not damage the file.
    pub(crate) fn in_file(path: &Path, tables: &[TableSpec]) -> Result<Self, Failure> {
        let file = path.to_str().ok_or("the path of the data file is not valid UTF-8")?;
        let unusable = |error| {
            format!(
                "{file} must be a data file of jumun, or a new file in an existing folder: {error}"
            )
        };
        let db = Database::new(file).map_err(unusable)?;
        // `PRAGMA synchronous = NORMAL`: writes reach the file system before they return, but not
        // always the disk. They survive the end of the process.
        db.disable_bulk_loading()?;
        create_tables(&db, tables)?;
        create_tables(&db, &[platform_table()])?;
        index_streams(path)?;
        Ok(Self { db, is_persistent: true, tokens: Mutex::default() })
    }

    pub(crate) fn database(&self) -> &Database {
        &self.db
    }

    /// Removes expired rows.
    pub(crate) fn sweep(&self) {
        if let Err(error) = self.db.sweep_ttl() {
            tracing::warn!(%error, "cannot remove expired rows");
        }
    }

    /// Handles a DynamoDB call. With `counted`, the response includes the consumed capacity.
    pub(crate) fn respond(&self, operation: &str, body: &[u8], counted: bool) -> Reply {
        let counted_body = (counted && is_counted(operation)).then(|| {
            let mut request: Value = serde_json::from_slice(body).unwrap_or_default();
            request["ReturnConsumedCapacity"] = "TOTAL".into();
            request.to_string().into_bytes()
        });
        let body = counted_body.as_deref().unwrap_or(body);
        let result = if operation == "TransactWriteItems" {
            self.transact(body)
        } else {
            dispatch(&self.db, operation, body)
        };
        match result {
            Ok(response) => (200, response.into_bytes()),
            Err(error) => (error.status_code(), error.to_json().into_bytes()),
        }
    }

    /// Commits a transaction. If it was recently committed under the same token, the call succeeds
    /// without writing, as in DynamoDB. A different transaction under that token is an error.
    fn transact(&self, body: &[u8]) -> Result<String, DynoxideError> {
        let mut request: TransactWriteItemsRequest =
            serde_json::from_slice(body).map_err(malformed)?;
        let Some(token) = request.client_request_token.take() else {
            return serde_json::to_string(&self.db.transact_write_items(request)?)
                .map_err(malformed);
        };
        let mut digest = DefaultHasher::new();
        digest.write(body);
        let digest = digest.finish();
        // The lock is held until the end, so that two concurrent calls with the same token run one
        // after the other.
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        match tokens.committed(&token) {
            Some(committed) if committed == digest => return Ok("{}".into()),
            Some(_) => {
                let message = "The ClientRequestToken was used for a different transaction.";
                return Err(DynoxideError::IdempotentParameterMismatchException(message.into()));
            }
            None => {}
        }
        let response =
            serde_json::to_string(&self.db.transact_write_items(request)?).map_err(malformed)?;
        tokens.remember(token, digest);
        Ok(response)
    }

    /// Returns up to `limit` stream records of a table as DynamoDB's JSON: those after the sequence
    /// number `after`, or the oldest ones.
    pub(crate) fn changes(
        &self,
        table: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Value>, DynoxideError> {
        let iterator = self.db.get_shard_iterator(GetShardIteratorRequest {
            stream_arn: stream_arn(table, "local"),
            shard_id: shard_id(table),
            shard_iterator_type: if after.is_some() {
                "AFTER_SEQUENCE_NUMBER"
            } else {
                "TRIM_HORIZON"
            }
            .into(),
            sequence_number: after.map(str::to_owned),
        })?;
        let shard_iterator = iterator.shard_iterator.unwrap_or_default();
        let response =
            self.db.get_records(GetRecordsRequest { shard_iterator, limit: Some(limit) })?;
        Ok(serde_json::to_value(response.records)
            .ok()
            .and_then(|records| records.as_array().cloned())
            .unwrap_or_default())
    }

    /// The store of the platform's own state.
    pub(crate) fn journal(&self) -> Journal {
        Journal(self.is_persistent.then(|| self.db.clone()))
    }
}

fn create_tables(db: &Database, tables: &[TableSpec]) -> Result<(), Failure> {
    for table in tables {
        if db.get_table_metadata(&table.name)?.is_some() {
            continue;
        }
        db.create_table(serde_json::from_value(table.create.clone())?)?;
        if let Some(attribute) = &table.expires_by {
            let specification = json!({ "AttributeName": attribute, "Enabled": true });
            let request =
                json!({ "TableName": table.name, "TimeToLiveSpecification": specification });
            db.update_time_to_live(serde_json::from_value(request)?)?;
        }
    }
    Ok(())
}

fn platform_table() -> TableSpec {
    let create = json!({
        "TableName": PLATFORM_TABLE,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }],
        "AttributeDefinitions": [{ "AttributeName": "pk", "AttributeType": "S" }],
    });
    TableSpec { name: PLATFORM_TABLE.into(), create, expires_by: None }
}

fn index_streams(path: &Path) -> Result<(), Failure> {
    Ok(rusqlite::Connection::open(path)?.execute_batch(STREAM_INDEX)?)
}

fn malformed(error: serde_json::Error) -> DynoxideError {
    DynoxideError::SerializationException(error.to_string())
}

/// Calls the database method of an operation.
fn dispatch(db: &Database, operation: &str, body: &[u8]) -> Result<String, DynoxideError> {
    macro_rules! operations {
        ($($name:literal => $method:ident)*) => {
            match operation {
                $($name => {
                    let response = db.$method(serde_json::from_slice(body).map_err(malformed)?)?;
                    serde_json::to_string(&response).map_err(malformed)
                })*
                other => Err(DynoxideError::ValidationException(format!("the local platform does not support {other}"))),
            }
        };
    }
    operations! {
        "BatchGetItem" => batch_get_item
        "BatchWriteItem" => batch_write_item
        "CreateTable" => create_table
        "DeleteItem" => delete_item
        "DescribeStream" => describe_stream
        "DescribeTable" => describe_table
        "DescribeTimeToLive" => describe_time_to_live
        "ExecuteStatement" => execute_statement
        "GetItem" => get_item
        "GetRecords" => get_records
        "GetShardIterator" => get_shard_iterator
        "ListStreams" => list_streams
        "ListTables" => list_tables
        "PutItem" => put_item
        "Query" => query
        "Scan" => scan
        "TransactGetItems" => transact_get_items
        "UpdateItem" => update_item
    }
}

const READS: [&str; 5] = ["BatchGetItem", "GetItem", "Query", "Scan", "TransactGetItems"];
const WRITES: [&str; 5] =
    ["BatchWriteItem", "DeleteItem", "PutItem", "TransactWriteItems", "UpdateItem"];

fn is_counted(operation: &str) -> bool {
    READS.contains(&operation) || WRITES.contains(&operation)
}

/// The read units and write units that a call consumed, rounded up to whole units.
pub(crate) fn capacity(operation: &str, response: &Value) -> (u64, u64) {
    let consumed = &response["ConsumedCapacity"];
    let all = consumed.as_array().map_or_else(|| std::slice::from_ref(consumed), Vec::as_slice);
    let units = |consumed: &Value| {
        consumed["CapacityUnits"]
            .as_f64()
            .map_or(0, |units| format!("{:.0}", units.ceil()).parse().unwrap_or(0))
    };
    let units: u64 = all.iter().map(units).sum();
    if WRITES.contains(&operation) { (0, units) } else { (units, 0) }
}

/// The items that a transaction writes, each as a string of its table and key.
pub(crate) fn keys_written(body: &[u8]) -> Vec<String> {
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    let writes =
        request["TransactItems"].as_array().into_iter().flatten().filter_map(Value::as_object);
    let write = writes.flat_map(|write| write.values());
    let key = |write: &Value| {
        let item = if write.get("Key").is_some() { &write["Key"] } else { &write["Item"] };
        format!("{} {} {}", write["TableName"], item["pk"], item["sk"])
    };
    write.map(key).collect()
}

/// The platform's own state in a data file: queue messages, stream checkpoints, the payment gateway
/// stub's payments, the encryption key and the clock's offset. Without a data file, nothing is
/// stored.
#[derive(Clone)]
pub(crate) struct Journal(Option<Database>);

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("is_persistent", &self.0.is_some()).finish()
    }
}

/// A stored message: its number, queue, body, and the time it was sent in milliseconds.
pub(crate) type StoredMessage = (u64, String, String, i64);

impl Journal {
    /// Upserts a message.
    pub(crate) fn save_message(
        &self,
        number: u64,
        queue: &str,
        body: &str,
        sent_at: i64,
    ) -> Result<(), AwsError> {
        self.put(&format!("MESSAGE#{number}"), &json!({
            "number": { "N": number.to_string() }, "queue": { "S": queue }, "body": { "S": body }, "sentAt": { "N": sent_at.to_string() },
        }))
    }

    /// Deletes a message.
    pub(crate) fn remove_message(&self, number: u64) -> Result<(), AwsError> {
        self.call("DeleteItem", &json!({ "Key": { "pk": { "S": format!("MESSAGE#{number}") } } }))
            .map(drop)
    }

    /// Returns all stored messages.
    pub(crate) fn messages(&self) -> Result<Vec<StoredMessage>, AwsError> {
        let whole = |value: &Value| value["N"].as_str().and_then(|digits| digits.parse().ok());
        let text = |value: &Value| value["S"].as_str().unwrap_or_default().to_owned();
        let message = |item: &Value| {
            let number = whole(&item["number"]).and_then(|number| u64::try_from(number).ok())?;
            Some((
                number,
                text(&item["queue"]),
                text(&item["body"]),
                whole(&item["sentAt"]).unwrap_or(0),
            ))
        };
        Ok(self.rows()?.iter().filter_map(message).collect())
    }

    /// Upserts a payment of the payment gateway stub.
    pub(crate) fn save_payment(&self, key: &str, payment: &Value) -> Result<(), AwsError> {
        self.put(&format!("PAYMENT#{key}"), &json!({ "payment": { "S": payment.to_string() } }))
    }

    /// Returns all payments of the payment gateway stub.
    pub(crate) fn payments(&self) -> Result<Vec<Value>, AwsError> {
        let payment = |item: &Value| serde_json::from_str(item["payment"]["S"].as_str()?).ok();
        Ok(self.rows()?.iter().filter_map(payment).collect())
    }

    fn rows(&self) -> Result<Vec<Value>, AwsError> {
        let mut rows = Vec::new();
        let mut start = Value::Null;
        loop {
            let mut request = json!({});
            if !start.is_null() {
                request["ExclusiveStartKey"] = start;
            }
            let mut page = self.call("Scan", &request)?;
            rows.extend(page["Items"].as_array_mut().into_iter().flat_map(std::mem::take));
            start = page["LastEvaluatedKey"].take();
            if start.is_null() {
                return Ok(rows);
            }
        }
    }

    /// Returns the platform's encryption key. Generates and stores one if there is none.
    pub(crate) fn key(&self, new: impl FnOnce() -> Vec<u8>) -> Result<Vec<u8>, AwsError> {
        if let Some(stored) = self.get("KEY")?["key"]["S"].as_str() {
            return base64::decode(stored)
                .map_err(|error| AwsError::new("InternalException", error.to_string()));
        }
        let key = new();
        self.put("KEY", &json!({ "key": { "S": base64::encode(&key) } }))?;
        Ok(key)
    }

    /// Upserts a function's checkpoint in its stream: the last processed sequence number.
    pub(crate) fn save_checkpoint(&self, function: &str, place: &str) -> Result<(), AwsError> {
        self.put(&format!("STREAM#{function}"), &json!({ "place": { "S": place } }))
    }

    /// Returns a function's checkpoint in its stream.
    pub(crate) fn place(&self, function: &str) -> Result<Option<String>, AwsError> {
        Ok(self.get(&format!("STREAM#{function}"))?["place"]["S"].as_str().map(str::to_owned))
    }

    /// Upserts the clock's offset from real time.
    pub(crate) fn save_clock(&self, offset: Duration) -> Result<(), AwsError> {
        self.put("CLOCK", &json!({ "offset": { "N": offset.as_millis().to_string() } }))
    }

    /// Returns the clock's offset from real time. Zero if none is stored.
    pub(crate) fn clock(&self) -> Result<Duration, AwsError> {
        let offset =
            self.get("CLOCK")?["offset"]["N"].as_str().and_then(|digits| digits.parse().ok());
        Ok(Duration::from_millis(offset.unwrap_or(0)))
    }

    fn put(&self, pk: &str, item: &Value) -> Result<(), AwsError> {
        let mut item = item.clone();
        item["pk"] = json!({ "S": pk });
        self.call("PutItem", &json!({ "Item": item })).map(drop)
    }

    fn get(&self, pk: &str) -> Result<Value, AwsError> {
        Ok(self.call("GetItem", &json!({ "Key": { "pk": { "S": pk } } }))?["Item"].take())
    }

    fn call(&self, operation: &str, request: &Value) -> Result<Value, AwsError> {
        let Some(db) = &self.0 else { return Ok(Value::Null) };
        let mut request = request.clone();
        request["TableName"] = PLATFORM_TABLE.into();
        let failed =
            |error: String| AwsError { status: 500, ..AwsError::new("InternalServerError", error) };
        let response = dispatch(db, operation, request.to_string().as_bytes())
            .map_err(|error| failed(error.to_string()))?;
        serde_json::from_str(&response).map_err(|error| failed(error.to_string()))
    }
}
