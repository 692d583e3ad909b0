//! Reads: one row, many rows by key, a page of a partition or of a table.

use crate::{
    Item, Store,
    item::text,
    keys::Key,
    retry::{self, ATTEMPTS, ErrorClass},
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

/// A part of a listing, and where the next part begins.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The part.
    pub entries: Vec<T>,
    /// What to pass to get the next part; nothing if this was the last.
    pub next: Option<String>,
}

/// Which part of a listing is asked for.
#[derive(Debug, Clone)]
pub struct PageRequest {
    /// How many entries at the most.
    pub limit: u16,
    /// [`Page::next`] of the part before.
    pub after: Option<String>,
}

impl PageRequest {
    /// How many rows to ask DynamoDB for: one more than the page has tells whether more follow.
    pub(crate) fn fetched(&self) -> i32 {
        i32::from(self.limit) + 1
    }

    /// The page that rows make which were asked for with [`PageRequest::fetched`]; `place` names a row's place. There may be
    /// fewer where an answer reached DynamoDB's limit of 1 MB.
    pub(crate) fn cut(
        &self,
        mut rows: Vec<Item>,
        last: Option<Item>,
        place: impl Fn(&Item) -> Result<String, Fault>,
    ) -> Result<Page<Item>, Fault> {
        let has_more = rows.len() > usize::from(self.limit);
        rows.truncate(self.limit.into());
        let next = match (has_more, last) {
            (true, _) => rows.last().map(&place).transpose()?,
            (false, Some(last)) => Some(place(&last)?),
            (false, None) => None,
        };
        Ok(Page { entries: rows, next })
    }
}

/// Rows found by key, wherever they are.
pub(crate) struct Found(HashMap<(String, String), Item>);

impl Found {
    pub(crate) fn take(&mut self, key: &Key) -> Option<Item> {
        self.0.remove(&(key.pk.clone(), key.sk.clone()))
    }
}

impl Store {
    /// One row, as the last write left it.
    pub(crate) async fn get(&self, table: &str, key: &Key) -> Result<Option<Item>, Fault> {
        let call = || {
            let request = self.client.get_item().table_name(table).set_key(Some(key.item()));
            request.consistent_read(true).send()
        };
        Ok(self.ask(call).await?.item)
    }

    /// Many rows, as the last writes left them: one call for each hundred.
    pub(crate) async fn batch_get(&self, keys: impl IntoIterator<Item = (&str, Key)>) -> Result<Found, Fault> {
        // DynamoDB refuses a batch that names a row twice.
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
                let keys = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
                keys.map(|keys| (table.to_owned(), keys)).map_err(Fault::broken)
            });
            self.batch_get_all(wanted.collect::<Result<_, _>>()?, &mut found).await?;
        }
        Ok(Found(found))
    }

    /// Up to a hundred rows as they were at one moment, between transactions and not amid one.
    pub(crate) async fn snapshot(&self, keys: impl IntoIterator<Item = (&str, Key)>) -> Result<Found, Fault> {
        let keys: Vec<(&str, Key)> = keys.into_iter().collect();
        let get = |(table, key): &(&str, Key)| {
            let get = Get::builder().table_name(*table).set_key(Some(key.item())).build();
            get.map(|get| TransactGetItem::builder().get(get).build()).map_err(Fault::broken)
        };
        let gets: Vec<TransactGetItem> = keys.iter().map(get).collect::<Result<_, _>>()?;
        let call = || self.client.transact_get_items().set_transact_items(Some(gets.clone())).send();
        let answer = self.persist(call, snapshot_outlook).await?.map_err(Fault::broken)?;
        let rows = answer.responses.unwrap_or_default().into_iter().map(|response| response.item);
        let found = keys.into_iter().zip(rows).filter_map(|((_, Key { pk, sk }), row)| Some(((pk, sk), row?)));
        Ok(Found(found.collect()))
    }

    /// DynamoDB may leave a part of a batch unprocessed: it is asked for again.
    async fn batch_get_all(
        &self,
        mut wanted: HashMap<String, KeysAndAttributes>,
        found: &mut HashMap<(String, String), Item>,
    ) -> Result<(), Fault> {
        for _ in 0..ATTEMPTS {
            let call = || self.client.batch_get_item().set_request_items(Some(wanted.clone())).send();
            let answer = self.ask(call).await?;
            for item in answer.responses.into_iter().flatten().flat_map(|(_, items)| items) {
                let key = (crate::item::string(&item, "pk")?.to_owned(), crate::item::string(&item, "sk")?.to_owned());
                found.insert(key, item);
            }
            wanted = answer.unprocessed_keys.unwrap_or_default();
            if wanted.is_empty() {
                return Ok(());
            }
        }
        Err(Fault::busy("the store left a part of a batch unread"))
    }

    /// Calls `each` for every row of a query, a page at a time.
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

    /// All rows of a query that has few.
    pub(crate) async fn query_all(&self, query: &Query<'_>) -> Result<Vec<Item>, Fault> {
        let mut rows = Vec::new();
        self.query_each(query, |row| {
            rows.push(row);
            Ok(())
        })
        .await?;
        Ok(rows)
    }

    /// A page of a partition's rows whose sort key begins with the query's prefix, and the sort key after which the next begins.
    pub(crate) async fn query(&self, query: &Query<'_>, page: &PageRequest) -> Result<Page<Item>, Fault> {
        let start = page.after.as_ref().map(|sk| Key { pk: query.pk.to_owned(), sk: sk.clone() }.item());
        let call = || {
            let request = self.client.query().table_name(query.table);
            let request = request.expression_attribute_values(":pk", text(query.pk));
            // DynamoDB takes no empty text for a part of a key.
            let request = if query.prefix.is_empty() {
                request.key_condition_expression("pk = :pk")
            } else {
                let request = request.key_condition_expression("pk = :pk AND begins_with(sk, :prefix)");
                request.expression_attribute_values(":prefix", text(query.prefix))
            };
            let request = request.scan_index_forward(!query.newest_first).consistent_read(true);
            request.limit(page.fetched()).set_exclusive_start_key(start.clone()).send()
        };
        let answer = self.ask(call).await?;
        let rows = answer.items.unwrap_or_default();
        page.cut(rows, answer.last_evaluated_key, |item| crate::item::string(item, "sk").map(str::to_owned))
    }
}

/// A transaction on one of the rows passes.
fn snapshot_outlook(error: &SdkError<TransactGetItemsError, HttpResponse>) -> ErrorClass {
    let reasons = match error.as_service_error() {
        Some(TransactGetItemsError::TransactionCanceledException(cancelled)) => cancelled.cancellation_reasons(),
        _ => &[],
    };
    let passes = reasons.iter().any(|reason| reason.code().is_some_and(retry::is_transient_code));
    if passes { ErrorClass::Transient } else { retry::classify(error) }
}

/// Rows of one partition.
pub(crate) struct Query<'a> {
    pub(crate) table: &'a str,
    pub(crate) pk: &'a str,
    pub(crate) prefix: &'a str,
    pub(crate) newest_first: bool,
}
