//! DynamoDB: the embedded database, its streams, and what the platform itself keeps in it.

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

/// The table in which the platform keeps its own state, in a data file.
const PLATFORM_TABLE: &str = "jumun-platform";

/// Without this index, each write to a table with a stream reads all earlier records of the stream.
const STREAM_INDEX: &str = "CREATE INDEX IF NOT EXISTS stream_by_sequence \
    ON _stream_records(table_name, CAST(sequence_number AS INTEGER))";

/// How long a transaction is known by its token, as with DynamoDB.
const TOKEN_LIFETIME: Duration = Duration::from_mins(10);

/// The embedded database.
pub(crate) struct Data {
    db: Database,
    is_kept: bool,
    tokens: Mutex<Tokens>,
}

/// Transactions that were committed under a token of late. The embedded database knows tokens too, but looks through all
/// of them for each transaction, and so slows down with every order.
#[derive(Default)]
struct Tokens {
    /// A digest of each transaction.
    committed: HashMap<String, u64>,
    by_age: VecDeque<(Instant, String)>,
}

impl Tokens {
    /// The digest of the transaction that was committed under a token.
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
        f.debug_struct("Data").field("is_kept", &self.is_kept).finish_non_exhaustive()
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Data {
    /// A database in memory. Its tables and index are made in a file, once for each process, and loaded: the index
    /// cannot be made in memory.
    pub(crate) fn in_memory(tables: &[TableSpec], clock: Clock) -> Result<Self, Failure> {
        static PREPARED: OnceLock<Vec<u8>> = OnceLock::new();
        // A folder, for SQLite puts files of its own beside the file.
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("tables");
        let path = file.to_str().ok_or("the temporary folder's name is not text")?;
        if let Some(prepared) = PREPARED.get() {
            std::fs::write(&file, prepared)?;
        } else {
            create_tables(&Database::new(path)?, tables)?;
            index_streams(&file)?;
            let _ = PREPARED.set(std::fs::read(&file)?);
        }
        let db = Database::memory_with_clock(Arc::new(clock))?;
        db.restore_from(path)?;
        Ok(Self { db, is_kept: false, tokens: Mutex::default() })
    }

    /// A database in a file, which a killed process leaves whole.
    pub(crate) fn in_file(path: &Path, tables: &[TableSpec]) -> Result<Self, Failure> {
        let file = path.to_str().ok_or("the data file's name is not text")?;
        let unusable = |error| {
            format!("{file} cannot be the data file (a file of jumun's, or a new one in a folder that exists): {error}")
        };
        let db = Database::new(file).map_err(unusable)?;
        // Synchronous with the file system, not with the disk: what is written survives the process.
        db.disable_bulk_loading()?;
        create_tables(&db, tables)?;
        create_tables(&db, &[platform_table()])?;
        index_streams(path)?;
        Ok(Self { db, is_kept: true, tokens: Mutex::default() })
    }

    pub(crate) fn database(&self) -> &Database {
        &self.db
    }

    /// Removes the rows that have expired.
    pub(crate) fn sweep(&self) {
        if let Err(error) = self.db.sweep_ttl() {
            tracing::warn!(%error, "expired rows were not removed");
        }
    }

    /// Answers a call of the DynamoDB API; with `counted`, the answer tells what it cost.
    pub(crate) fn answer(&self, operation: &str, body: &[u8], counted: bool) -> Reply {
        let counted_body = (counted && is_counted(operation)).then(|| {
            let mut request: Value = serde_json::from_slice(body).unwrap_or_default();
            request["ReturnConsumedCapacity"] = "TOTAL".into();
            request.to_string().into_bytes()
        });
        let body = counted_body.as_deref().unwrap_or(body);
        let answer =
            if operation == "TransactWriteItems" { self.transact(body) } else { dispatch(&self.db, operation, body) };
        match answer {
            Ok(answer) => (200, answer.into_bytes()),
            Err(error) => (error.status_code(), error.to_json().into_bytes()),
        }
    }

    /// Commits a transaction, unless it was committed under the same token of late.
    fn transact(&self, body: &[u8]) -> Result<String, DynoxideError> {
        let mut request: TransactWriteItemsRequest = serde_json::from_slice(body).map_err(unreadable)?;
        let Some(token) = request.client_request_token.take() else {
            return serde_json::to_string(&self.db.transact_write_items(request)?).map_err(unreadable);
        };
        let mut digest = DefaultHasher::new();
        digest.write(body);
        let digest = digest.finish();
        // Held until the end: the same transaction twice at once is one after the other.
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        match tokens.committed(&token) {
            Some(committed) if committed == digest => return Ok("{}".into()),
            Some(_) => {
                let message = "the token was used for another transaction";
                return Err(DynoxideError::IdempotentParameterMismatchException(message.into()));
            }
            None => {}
        }
        let answer = serde_json::to_string(&self.db.transact_write_items(request)?).map_err(unreadable)?;
        tokens.remember(token, digest);
        Ok(answer)
    }

    /// The stream records of a table after a place, as DynamoDB's JSON.
    pub(crate) fn changes(&self, table: &str, after: Option<&str>, most: usize) -> Result<Vec<Value>, DynoxideError> {
        let iterator = self.db.get_shard_iterator(GetShardIteratorRequest {
            stream_arn: stream_arn(table, "local"),
            shard_id: shard_id(table),
            shard_iterator_type: if after.is_some() { "AFTER_SEQUENCE_NUMBER" } else { "TRIM_HORIZON" }.into(),
            sequence_number: after.map(str::to_owned),
        })?;
        let shard_iterator = iterator.shard_iterator.unwrap_or_default();
        let answer = self.db.get_records(GetRecordsRequest { shard_iterator, limit: Some(most) })?;
        Ok(serde_json::to_value(answer.records)
            .ok()
            .and_then(|records| records.as_array().cloned())
            .unwrap_or_default())
    }

    /// Where the platform keeps its own state.
    pub(crate) fn journal(&self) -> Journal {
        Journal(self.is_kept.then(|| self.db.clone()))
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
            let request = json!({ "TableName": table.name, "TimeToLiveSpecification": specification });
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

fn unreadable(error: serde_json::Error) -> DynoxideError {
    DynoxideError::SerializationException(error.to_string())
}

/// Calls the database by the operation's name.
fn dispatch(db: &Database, operation: &str, body: &[u8]) -> Result<String, DynoxideError> {
    macro_rules! operations {
        ($($name:literal => $method:ident)*) => {
            match operation {
                $($name => {
                    let answer = db.$method(serde_json::from_slice(body).map_err(unreadable)?)?;
                    serde_json::to_string(&answer).map_err(unreadable)
                })*
                other => Err(DynoxideError::ValidationException(format!("the local platform does not know {other}"))),
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
const WRITES: [&str; 5] = ["BatchWriteItem", "DeleteItem", "PutItem", "TransactWriteItems", "UpdateItem"];

fn is_counted(operation: &str) -> bool {
    READS.contains(&operation) || WRITES.contains(&operation)
}

/// The read and write units that an answer tells of, in whole units.
pub(crate) fn capacity(operation: &str, answer: &Value) -> (u64, u64) {
    let consumed = &answer["ConsumedCapacity"];
    let all = consumed.as_array().map_or_else(|| std::slice::from_ref(consumed), Vec::as_slice);
    let units = |consumed: &Value| {
        consumed["CapacityUnits"].as_f64().map_or(0, |units| format!("{:.0}", units.ceil()).parse().unwrap_or(0))
    };
    let units: u64 = all.iter().map(units).sum();
    if WRITES.contains(&operation) { (0, units) } else { (units, 0) }
}

/// The items that a transaction writes, each as a text that names it.
pub(crate) fn keys_written(body: &[u8]) -> Vec<String> {
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    let writes = request["TransactItems"].as_array().into_iter().flatten().filter_map(Value::as_object);
    let write = writes.flat_map(|write| write.values());
    let key = |write: &Value| {
        let at = if write.get("Key").is_some() { &write["Key"] } else { &write["Item"] };
        format!("{} {} {}", write["TableName"], at["pk"], at["sk"])
    };
    write.map(key).collect()
}

/// What the platform keeps of itself in a data file: messages in queues, places in streams, the clock. Without a data
/// file it keeps nothing.
#[derive(Clone)]
pub(crate) struct Journal(Option<Database>);

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("is_kept", &self.0.is_some()).finish()
    }
}

/// A message as the journal keeps it: number, queue, body, and when it was sent.
pub(crate) type KeptMessage = (u64, String, String, i64);

impl Journal {
    pub(crate) fn keep_message(&self, number: u64, queue: &str, body: &str, sent_at: i64) -> Result<(), AwsError> {
        self.put(&format!("MESSAGE#{number}"), &json!({
            "number": { "N": number.to_string() }, "queue": { "S": queue }, "body": { "S": body }, "sentAt": { "N": sent_at.to_string() },
        }))
    }

    pub(crate) fn forget_message(&self, number: u64) -> Result<(), AwsError> {
        self.call("DeleteItem", &json!({ "Key": { "pk": { "S": format!("MESSAGE#{number}") } } })).map(drop)
    }

    /// Every message that is kept.
    pub(crate) fn messages(&self) -> Result<Vec<KeptMessage>, AwsError> {
        let whole = |value: &Value| value["N"].as_str().and_then(|digits| digits.parse().ok());
        let text = |value: &Value| value["S"].as_str().unwrap_or_default().to_owned();
        let message = |item: &Value| {
            let number = whole(&item["number"]).and_then(|number| u64::try_from(number).ok())?;
            Some((number, text(&item["queue"]), text(&item["body"]), whole(&item["sentAt"]).unwrap_or(0)))
        };
        Ok(self.rows()?.iter().filter_map(message).collect())
    }

    /// Keeps what the payment gateway has on its books.
    pub(crate) fn keep_payment(&self, key: &str, payment: &Value) -> Result<(), AwsError> {
        self.put(&format!("PAYMENT#{key}"), &json!({ "payment": { "S": payment.to_string() } }))
    }

    /// What the payment gateway had on its books.
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
            let mut answer = self.call("Scan", &request)?;
            rows.extend(answer["Items"].as_array_mut().into_iter().flat_map(std::mem::take));
            start = answer["LastEvaluatedKey"].take();
            if start.is_null() {
                return Ok(rows);
            }
        }
    }

    /// The key of the platform: the one that was kept, or else a new one.
    pub(crate) fn key(&self, new: impl FnOnce() -> Vec<u8>) -> Result<Vec<u8>, AwsError> {
        if let Some(kept) = self.get("KEY")?["key"]["S"].as_str() {
            return base64::decode(kept).map_err(|error| AwsError::new("InternalException", error.to_string()));
        }
        let key = new();
        self.put("KEY", &json!({ "key": { "S": base64::encode(&key) } }))?;
        Ok(key)
    }

    pub(crate) fn keep_place(&self, function: &str, place: &str) -> Result<(), AwsError> {
        self.put(&format!("STREAM#{function}"), &json!({ "place": { "S": place } }))
    }

    pub(crate) fn place(&self, function: &str) -> Result<Option<String>, AwsError> {
        Ok(self.get(&format!("STREAM#{function}"))?["place"]["S"].as_str().map(str::to_owned))
    }

    pub(crate) fn keep_clock(&self, offset: Duration) -> Result<(), AwsError> {
        self.put("CLOCK", &json!({ "offset": { "N": offset.as_millis().to_string() } }))
    }

    pub(crate) fn clock(&self) -> Result<Duration, AwsError> {
        let offset = self.get("CLOCK")?["offset"]["N"].as_str().and_then(|digits| digits.parse().ok());
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
        let failed = |error: String| AwsError { status: 500, ..AwsError::new("InternalServerError", error) };
        let answer =
            dispatch(db, operation, request.to_string().as_bytes()).map_err(|error| failed(error.to_string()))?;
        serde_json::from_str(&answer).map_err(|error| failed(error.to_string()))
    }
}
