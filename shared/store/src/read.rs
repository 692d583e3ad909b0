//! Reads: one row, many rows by key, or a page of a partition.

use crate::{
    Item, Store,
    item::{Key, text},
    retry::{self, ErrorClass},
};
use aws_sdk_dynamodb::{
    config::http::HttpResponse,
    error::SdkError,
    operation::transact_get_items::TransactGetItemsError,
    types::{Get, KeysAndAttributes, TransactGetItem},
};
use domain::Fault;
use std::collections::{HashMap, HashSet};

/// The most keys in one `BatchGetItem`.
pub(crate) const BATCH: usize = 100;

/// The key after which a scan or a query of an index resumes (`ExclusiveStartKey`).
pub type StartKey = Item;

/// One page of a listing.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The entries of the page.
    pub entries: Vec<T>,
    /// The cursor of the next page. `None` on the last page.
    pub next: Option<String>,
}

/// The page of a listing to read.
#[derive(Debug, Clone)]
pub struct PageRequest {
    /// The most entries on the page.
    pub limit: u16,
    /// The [`Page::next`] of the page before. `None` for the first page.
    pub after: Option<String>,
}

impl PageRequest {
    /// The `Limit` of the query: one row more than the page holds, which shows whether more rows
    /// follow.
    pub(crate) fn fetched(&self) -> i32 {
        i32::from(self.limit) + 1
    }

    /// Builds a page from rows that were queried with [`PageRequest::fetched`]. `cursor` returns
    /// the cursor of a row. A page can be short if the response reached DynamoDB's limit of 1 MB.
    pub(crate) fn cut(
        &self,
        mut rows: Vec<Item>,
        last: Option<Item>,
        cursor: impl Fn(&Item) -> Result<String, Fault>,
    ) -> Result<Page<Item>, Fault> {
        let has_more = rows.len() > usize::from(self.limit);
        rows.truncate(self.limit.into());
        let next = match (has_more, last) {
            (true, _) => rows.last().map(&cursor).transpose()?,
            (false, Some(last)) => Some(cursor(&last)?),
            (false, None) => None,
        };
        Ok(Page { entries: rows, next })
    }
}

/// Rows found by key, in any table.
pub(crate) struct Found(HashMap<(String, String), Item>);

impl Found {
    pub(crate) fn take(&mut self, key: &Key) -> Option<Item> {
        self.0.remove(&(key.pk.clone(), key.sk.clone()))
    }
}

impl Store {
    /// Reads one row (strongly consistent).
    pub(crate) async fn get(&self, table: &str, key: &Key) -> Result<Option<Item>, Fault> {
        let call = || {
            let request = self.client.get_item().table_name(table).set_key(Some(key.item()));
            request.consistent_read(true).send()
        };
        Ok(self.send(call).await?.item)
    }

    /// Reads many rows (strongly consistent), in batches of 100 keys.
    pub(crate) async fn batch_get(
        &self,
        keys: impl IntoIterator<Item = (&str, Key)>,
    ) -> Result<Found, Fault> {
        // DynamoDB rejects a batch that names a row twice.
        let mut named = HashSet::new();
        let mut keys: Vec<(&str, Key)> = keys.into_iter().collect();
        keys.retain(|(table, key)| named.insert((*table, key.pk.clone(), key.sk.clone())));
        let mut found = HashMap::with_capacity(keys.len());
        for batch in keys.chunks(BATCH) {
            let mut tables: HashMap<&str, Vec<Item>> = HashMap::new();
            for (table, key) in batch {
                tables.entry(table).or_default().push(key.item());
            }
            let wanted = tables.into_iter().map(|(table, keys)| {
                let keys =
                    KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
                keys.map(|keys| (table.to_owned(), keys)).map_err(Fault::broken)
            });
            self.batch_get_all(wanted.collect::<Result<_, _>>()?, &mut found).await?;
        }
        Ok(Found(found))
    }

    /// Reads up to 100 rows as one atomic snapshot, isolated from concurrent transactions.
    pub(crate) async fn snapshot(
        &self,
        keys: impl IntoIterator<Item = (&str, Key)>,
    ) -> Result<Found, Fault> {
        let keys: Vec<(&str, Key)> = keys.into_iter().collect();
        let get = |(table, key): &(&str, Key)| {
            let get = Get::builder().table_name(*table).set_key(Some(key.item())).build();
            get.map(|get| TransactGetItem::builder().get(get).build()).map_err(Fault::broken)
        };
        let gets: Vec<TransactGetItem> = keys.iter().map(get).collect::<Result<_, _>>()?;
        let call =
            || self.client.transact_get_items().set_transact_items(Some(gets.clone())).send();
        let response = self.with_retries(call, classify_snapshot).await?.map_err(Fault::broken)?;
        let rows = response.responses.unwrap_or_default().into_iter().map(|response| response.item);
        let found = keys
            .into_iter()
            .zip(rows)
            .filter_map(|((_, Key { pk, sk }), row)| Some(((pk, sk), row?)));
        Ok(Found(found.collect()))
    }

    /// Reads one batch. DynamoDB may leave a part of it unprocessed: those keys are requested
    /// again.
    async fn batch_get_all(
        &self,
        mut wanted: HashMap<String, KeysAndAttributes>,
        found: &mut HashMap<(String, String), Item>,
    ) -> Result<(), Fault> {
        let mut attempt = 1;
        loop {
            let call =
                || self.client.batch_get_item().set_request_items(Some(wanted.clone())).send();
            let response = self.send(call).await?;
            for item in response.responses.into_iter().flatten().flat_map(|(_, items)| items) {
                let key = (
                    crate::item::string(&item, "pk")?.to_owned(),
                    crate::item::string(&item, "sk")?.to_owned(),
                );
                found.insert(key, item);
            }
            wanted = response.unprocessed_keys.unwrap_or_default();
            if wanted.is_empty() {
                return Ok(());
            }
            if !self.back_off(attempt).await {
                return Err(Fault::busy("DynamoDB left a part of a batch unprocessed"));
            }
            attempt += 1;
        }
    }

    /// Calls `each` for every row of a query. Reads 1000 rows per page.
    pub(crate) async fn query_each(
        &self,
        query: &Query<'_>,
        mut each: impl FnMut(Item) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut page = PageRequest { limit: 1000, after: None };
        loop {
            let part = self.query(query, &page).await?;
            part.entries.into_iter().try_for_each(&mut each)?;
            page.after = part.next;
            if page.after.is_none() {
                return Ok(());
            }
        }
    }

    /// Reads all rows of a query. Only for queries with few rows.
    pub(crate) async fn query_all(&self, query: &Query<'_>) -> Result<Vec<Item>, Fault> {
        let mut rows = Vec::new();
        self.query_each(query, |row| {
            rows.push(row);
            Ok(())
        })
        .await?;
        Ok(rows)
    }

    /// A page of the partition's rows whose sort key begins with the query's prefix. `Page::next`
    /// is the sort key of the last row.
    pub(crate) async fn query(
        &self,
        query: &Query<'_>,
        page: &PageRequest,
    ) -> Result<Page<Item>, Fault> {
        let start =
            page.after.as_ref().map(|sk| Key { pk: query.pk.to_owned(), sk: sk.clone() }.item());
        let call = || {
            let request = self.client.query().table_name(query.table);
            let request = request.expression_attribute_values(":pk", text(query.pk));
            // DynamoDB rejects an empty string as a key value.
            let request = if query.prefix.is_empty() {
                request.key_condition_expression("pk = :pk")
            } else {
                let request =
                    request.key_condition_expression("pk = :pk AND begins_with(sk, :prefix)");
                request.expression_attribute_values(":prefix", text(query.prefix))
            };
            let request = request.scan_index_forward(!query.newest_first).consistent_read(true);
            request.limit(page.fetched()).set_exclusive_start_key(start.clone()).send()
        };
        let response = self.send(call).await?;
        let rows = response.items.unwrap_or_default();
        page.cut(rows, response.last_evaluated_key, |item| {
            crate::item::string(item, "sk").map(str::to_owned)
        })
    }
}

/// Classifies the error of a transactional read: a conflict with a transaction on one of the rows
/// is transient.
fn classify_snapshot(error: &SdkError<TransactGetItemsError, HttpResponse>) -> ErrorClass {
    let reasons = match error.as_service_error() {
        Some(TransactGetItemsError::TransactionCanceledException(cancelled)) => {
            cancelled.cancellation_reasons()
        }
        _ => &[],
    };
    let is_transient =
        reasons.iter().any(|reason| reason.code().is_some_and(retry::is_transient_code));
    if is_transient { ErrorClass::Transient } else { retry::classify(error) }
}

/// A query of one partition.
pub(crate) struct Query<'a> {
    pub(crate) table: &'a str,
    pub(crate) pk: &'a str,
    pub(crate) prefix: &'a str,
    pub(crate) newest_first: bool,
}
