//! One atomic write, whose every condition names the refusal that its failure means.

use crate::{
    Item, Store,
    item::number,
    keys::Key,
    retry::{self, ErrorClass},
};
use aws_sdk_dynamodb::{
    config::http::HttpResponse,
    error::{BuildError, SdkError},
    operation::transact_write_items::TransactWriteItemsError,
    types::{
        AttributeValue, CancellationReason, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure,
        TransactWriteItem, Update,
    },
};
use domain::Fault;
use std::collections::HashMap;

/// The most writes in one transaction.
const MAX_WRITES: usize = 100;

/// One write with its condition. Values (`:v`) serve both expressions.
#[derive(Debug)]
pub struct Write {
    table: String,
    what: EventKind,
    condition: Option<String>,
    names: HashMap<String, String>,
    values: Item,
}

#[derive(Debug)]
enum EventKind {
    Put(Item),
    Update(Key, String),
    Delete(Key),
    Check(Key),
}

/// Who says what a read model is to hold: what an event says of a version that is known already is no news; what the order
/// itself says is, for it is right whatever the read model says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProjectionSource {
    /// An event.
    Event,
    /// The order.
    Rebuild,
}

impl Write {
    /// Puts a whole row.
    pub(crate) fn put(table: &str, item: Item) -> Self {
        Self::new(table, EventKind::Put(item))
    }

    /// Changes a row by an update expression.
    pub(crate) fn update(table: &str, key: Key, expression: &str) -> Self {
        Self::new(table, EventKind::Update(key, expression.to_owned()))
    }

    /// Removes a row.
    pub(crate) fn delete(table: &str, key: Key) -> Self {
        Self::new(table, EventKind::Delete(key))
    }

    /// Writes nothing: the other writes happen only if the condition holds of this row.
    pub(crate) fn check(table: &str, key: Key) -> Self {
        Self::new(table, EventKind::Check(key))
    }

    fn new(table: &str, what: EventKind) -> Self {
        Self { table: table.to_owned(), what, condition: None, names: HashMap::new(), values: HashMap::new() }
    }

    /// The write happens only if this holds.
    pub(crate) fn when(mut self, condition: impl Into<String>) -> Self {
        self.condition = Some(condition.into());
        self
    }

    /// The write happens only if there is no such row.
    pub(crate) fn when_new(self) -> Self {
        self.when("attribute_not_exists(pk)")
    }

    /// The write happens only if the row that is there, if there is one, is of a lower version.
    pub(crate) fn when_newer(self, version: u32) -> Self {
        self.when_not_older(version, ProjectionSource::Event)
    }

    /// The write happens only if what is told of this version is news.
    pub(crate) fn when_not_older(self, version: u32, projection_source: ProjectionSource) -> Self {
        let is_news = match projection_source {
            ProjectionSource::Event => "attribute_not_exists(pk) OR version < :version",
            ProjectionSource::Rebuild => "attribute_not_exists(pk) OR version <= :version",
        };
        self.when(is_news).value(":version", number(version.into()))
    }

    /// Stands for an attribute whose name is a word of DynamoDB's.
    pub(crate) fn name(mut self, placeholder: &str, name: &str) -> Self {
        self.names.insert(placeholder.to_owned(), name.to_owned());
        self
    }

    /// Stands for a value.
    pub(crate) fn value(mut self, placeholder: &str, value: AttributeValue) -> Self {
        self.values.insert(placeholder.to_owned(), value);
        self
    }

    fn build(self) -> Result<TransactWriteItem, BuildError> {
        let names = Some(self.names).filter(|names| !names.is_empty());
        let values = Some(self.values).filter(|values| !values.is_empty());
        let all_old = self.condition.is_some().then_some(ReturnValuesOnConditionCheckFailure::AllOld);
        let item = TransactWriteItem::builder();
        Ok(match self.what {
            EventKind::Put(row) => item.put(
                Put::builder()
                    .table_name(self.table)
                    .set_item(Some(row))
                    .set_condition_expression(self.condition)
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values)
                    .set_return_values_on_condition_check_failure(all_old)
                    .build()?,
            ),
            EventKind::Update(key, expression) => item.update(
                Update::builder()
                    .table_name(self.table)
                    .set_key(Some(key.item()))
                    .update_expression(expression)
                    .set_condition_expression(self.condition)
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values)
                    .set_return_values_on_condition_check_failure(all_old)
                    .build()?,
            ),
            EventKind::Delete(key) => item.delete(
                Delete::builder()
                    .table_name(self.table)
                    .set_key(Some(key.item()))
                    .set_condition_expression(self.condition)
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values)
                    .set_return_values_on_condition_check_failure(all_old)
                    .build()?,
            ),
            EventKind::Check(key) => item.condition_check(
                ConditionCheck::builder()
                    .table_name(self.table)
                    .set_key(Some(key.item()))
                    .set_condition_expression(self.condition)
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values)
                    .set_return_values_on_condition_check_failure(all_old)
                    .build()?,
            ),
        }
        .build())
    }
}

/// Writes that happen all or not at all.
#[derive(Debug)]
pub struct Transaction<R> {
    writes: Vec<(Write, R)>,
}

/// A condition that failed.
#[derive(Debug)]
pub struct FailedCondition<C> {
    /// The condition.
    pub condition: C,
    /// The row as it is, if there is one.
    pub row: Option<Item>,
}

/// Why nothing was written.
#[derive(Debug)]
pub enum CommitError<R> {
    /// These conditions failed, in the order of the writes; there is at least one.
    Failed(Vec<FailedCondition<R>>),
    /// The store failed; where it is [`Fault::Busy`] the writes may have happened after all.
    Fault(Fault),
}

impl<R> Default for Transaction<R> {
    fn default() -> Self {
        Self { writes: Vec::new() }
    }
}

impl<R> Transaction<R> {
    /// Adds a write, and what it means when its condition does not hold.
    #[must_use]
    pub fn with(mut self, write: Write, refusal: R) -> Self {
        self.writes.push((write, refusal));
        self
    }

    /// Adds the writes of another.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.writes.extend(other.writes);
        self
    }

    /// Commits writes of which none has a condition: there was nothing to assert.
    pub(crate) async fn commit_unconditional(self, store: &Store) -> Result<(), Fault> {
        match self.commit(store).await {
            Ok(()) => Ok(()),
            Err(CommitError::Failed(_)) => Err(Fault::broken("a write without a condition was refused")),
            Err(CommitError::Fault(fault)) => Err(fault),
        }
    }

    /// Commits what may be known already; tells whether it was news.
    pub async fn commit_if_new(self, store: &Store) -> Result<bool, Fault> {
        match self.commit(store).await {
            Ok(()) => Ok(true),
            Err(CommitError::Failed(_)) => Ok(false),
            Err(CommitError::Fault(fault)) => Err(fault),
        }
    }

    /// Commits.
    ///
    /// Contention and throttling are tried again with the same token and payload, so a commit whose answer was lost is
    /// not made twice. A condition that failed counts before a conflict beside it: it is a fact, and a conflict is not.
    pub async fn commit(self, store: &Store) -> Result<(), CommitError<R>> {
        if self.writes.len() > MAX_WRITES {
            return Err(CommitError::Fault(Fault::broken("a transaction has at most 100 writes")));
        }
        let (writes, refusals): (Vec<_>, Vec<_>) = self.writes.into_iter().unzip();
        let writes: Vec<TransactWriteItem> = writes
            .into_iter()
            .map(Write::build)
            .collect::<Result<_, _>>()
            .map_err(|error| CommitError::Fault(Fault::broken(error)))?;
        let token = format!("{:032x}", rand::random::<u128>());
        let call = || {
            let request = store.client.transact_write_items().set_transact_items(Some(writes.clone()));
            request.client_request_token(&token).send()
        };
        match store.persist(call, classify).await.map_err(CommitError::Fault)? {
            Ok(_) => Ok(()),
            Err(error) if reasons(&error).iter().any(failed) => {
                let refused = refusals.into_iter().zip(reasons(&error).iter().cloned());
                let refused = refused.filter(|(_, reason)| failed(reason));
                Err(CommitError::Failed(
                    refused.map(|(condition, reason)| FailedCondition { condition, row: reason.item }).collect(),
                ))
            }
            Err(error) => Err(CommitError::Fault(Fault::broken(error))),
        }
    }
}

/// Why a transaction was cancelled, one reason for each write; none if it failed in another way.
fn reasons(error: &SdkError<TransactWriteItemsError, HttpResponse>) -> &[CancellationReason] {
    match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => cancelled.cancellation_reasons(),
        _ => &[],
    }
}

fn failed(reason: &CancellationReason) -> bool {
    reason.code() == Some("ConditionalCheckFailed")
}

fn classify(error: &SdkError<TransactWriteItemsError, HttpResponse>) -> ErrorClass {
    let reasons = reasons(error);
    let passing = |reason: &CancellationReason| reason.code().is_some_and(retry::is_transient_code);
    if reasons.iter().any(failed) {
        ErrorClass::Permanent
    } else if reasons.iter().any(passing) {
        ErrorClass::Transient
    } else {
        retry::classify(error)
    }
}
