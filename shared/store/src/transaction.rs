//! Atomic writes. Each condition carries the error that its failure means.

use crate::{
    Item, Store,
    item::{Key, number},
    retry::{self, ErrorClass},
};
use aws_sdk_dynamodb::{
    config::http::HttpResponse,
    error::{BuildError, SdkError},
    operation::transact_write_items::TransactWriteItemsError,
    types::{
        AttributeValue, CancellationReason, ConditionCheck, Delete, Put,
        ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
    },
};
use domain::Fault;
use std::collections::HashMap;

/// DynamoDB's limit of writes in one transaction.
const MAX_WRITES: usize = 100;

/// One write and its condition. Placeholder values (`:v`) are shared by the condition and the
/// update expression.
#[derive(Debug)]
pub struct Write {
    table: String,
    kind: WriteKind,
    condition: Option<String>,
    names: HashMap<String, String>,
    values: Item,
}

#[derive(Debug)]
enum WriteKind {
    Put(Item),
    Update(Key, String),
    Delete(Key),
    Check(Key),
}

/// Where a projection's data comes from. It decides whether data of the stored version is written
/// again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProjectionSource {
    /// An event: it is skipped if the projection already has its version.
    Event,
    /// The order itself: it also replaces a row of the same version, because the order is correct
    /// whatever the projection contains.
    Rebuild,
}

impl Write {
    /// Puts a whole row.
    pub(crate) fn put(table: &str, item: Item) -> Self {
        Self::new(table, WriteKind::Put(item))
    }

    /// Changes a row by an update expression.
    pub(crate) fn update(table: &str, key: Key, expression: &str) -> Self {
        Self::new(table, WriteKind::Update(key, expression.to_owned()))
    }

    /// Deletes a row.
    pub(crate) fn delete(table: &str, key: Key) -> Self {
        Self::new(table, WriteKind::Delete(key))
    }

    /// Writes nothing, and asserts a condition on this row for the whole transaction.
    pub(crate) fn check(table: &str, key: Key) -> Self {
        Self::new(table, WriteKind::Check(key))
    }

    fn new(table: &str, kind: WriteKind) -> Self {
        Self {
            table: table.to_owned(),
            kind,
            condition: None,
            names: HashMap::new(),
            values: HashMap::new(),
        }
    }

    /// Sets the condition of the write.
    pub(crate) fn when(mut self, condition: impl Into<String>) -> Self {
        self.condition = Some(condition.into());
        self
    }

    /// The write requires that the row does not exist.
    pub(crate) fn when_new(self) -> Self {
        self.when("attribute_not_exists(pk)")
    }

    /// The write requires that the row does not exist or has a lower version.
    pub(crate) fn when_newer(self, version: u32) -> Self {
        self.when_not_older(version, ProjectionSource::Event)
    }

    /// The write requires that the row does not exist or has a lower version. A rebuild also
    /// replaces a row of the same version.
    pub(crate) fn when_not_older(self, version: u32, projection_source: ProjectionSource) -> Self {
        let condition = match projection_source {
            ProjectionSource::Event => "attribute_not_exists(pk) OR version < :version",
            ProjectionSource::Rebuild => "attribute_not_exists(pk) OR version <= :version",
        };
        self.when(condition).value(":version", number(version.into()))
    }

    /// Defines a name placeholder (`#n`), for an attribute whose name is a reserved word.
    pub(crate) fn name(mut self, placeholder: &str, name: &str) -> Self {
        self.names.insert(placeholder.to_owned(), name.to_owned());
        self
    }

    /// Defines a value placeholder (`:v`).
    pub(crate) fn value(mut self, placeholder: &str, value: AttributeValue) -> Self {
        self.values.insert(placeholder.to_owned(), value);
        self
    }

    fn build(self) -> Result<TransactWriteItem, BuildError> {
        let names = Some(self.names).filter(|names| !names.is_empty());
        let values = Some(self.values).filter(|values| !values.is_empty());
        let all_old =
            self.condition.is_some().then_some(ReturnValuesOnConditionCheckFailure::AllOld);
        let item = TransactWriteItem::builder();
        Ok(match self.kind {
            WriteKind::Put(row) => item.put(
                Put::builder()
                    .table_name(self.table)
                    .set_item(Some(row))
                    .set_condition_expression(self.condition)
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values)
                    .set_return_values_on_condition_check_failure(all_old)
                    .build()?,
            ),
            WriteKind::Update(key, expression) => item.update(
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
            WriteKind::Delete(key) => item.delete(
                Delete::builder()
                    .table_name(self.table)
                    .set_key(Some(key.item()))
                    .set_condition_expression(self.condition)
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values)
                    .set_return_values_on_condition_check_failure(all_old)
                    .build()?,
            ),
            WriteKind::Check(key) => item.condition_check(
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

/// Writes that are committed all or nothing, each with the meaning of its failed condition.
#[derive(Debug)]
pub struct Transaction<R> {
    writes: Vec<(Write, R)>,
}

/// A condition that failed.
#[derive(Debug)]
pub struct FailedCondition<C> {
    /// The meaning given to [`Transaction::with`].
    pub condition: C,
    /// The current row (`ALL_OLD`). `None` if it does not exist.
    pub row: Option<Item>,
}

/// Why a transaction was not committed.
#[derive(Debug)]
pub enum CommitError<R> {
    /// At least one condition failed. The list has the order of the writes.
    Failed(Vec<FailedCondition<R>>),
    /// DynamoDB failed. After [`Fault::Busy`] it is unknown whether the writes took place.
    Fault(Fault),
}

impl<R> Default for Transaction<R> {
    fn default() -> Self {
        Self { writes: Vec::new() }
    }
}

impl<R> Transaction<R> {
    /// Adds a write, and the meaning of its failed condition.
    #[must_use]
    pub fn with(mut self, write: Write, condition: R) -> Self {
        self.writes.push((write, condition));
        self
    }

    /// Adds the writes of another transaction.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.writes.extend(other.writes);
        self
    }

    /// Commits a transaction in which no write has a condition. A failed condition is a fault.
    pub(crate) async fn commit_unconditional(self, store: &Store) -> Result<(), Fault> {
        match self.commit(store).await {
            Ok(()) => Ok(()),
            Err(CommitError::Failed(_)) => {
                Err(Fault::broken("a condition failed in a transaction without conditions"))
            }
            Err(CommitError::Fault(fault)) => Err(fault),
        }
    }

    /// Commits, and returns `false` if a condition failed: what was read has changed since.
    pub async fn commit_if_unchanged(self, store: &Store) -> Result<bool, Fault> {
        match self.commit(store).await {
            Ok(()) => Ok(true),
            Err(CommitError::Failed(_)) => Ok(false),
            Err(CommitError::Fault(fault)) => Err(fault),
        }
    }

    /// Commits the transaction.
    ///
    /// Contention and throttling are retried with the same token and payload, so a commit whose
    /// response was lost is not applied twice. If one write's condition failed and another write
    /// met a conflict, the failed condition counts: a conflict is transient, and a failed condition
    /// is not.
    pub async fn commit(self, store: &Store) -> Result<(), CommitError<R>> {
        if self.writes.len() > MAX_WRITES {
            return Err(CommitError::Fault(Fault::broken("a transaction has at most 100 writes")));
        }
        let (writes, conditions): (Vec<_>, Vec<_>) = self.writes.into_iter().unzip();
        let writes: Vec<TransactWriteItem> = writes
            .into_iter()
            .map(Write::build)
            .collect::<Result<_, _>>()
            .map_err(|error| CommitError::Fault(Fault::broken(error)))?;
        let token = format!("{:032x}", rand::random::<u128>());
        let call = || {
            let request =
                store.client.transact_write_items().set_transact_items(Some(writes.clone()));
            request.client_request_token(&token).send()
        };
        match store.with_retries(call, classify).await.map_err(CommitError::Fault)? {
            Ok(_) => Ok(()),
            Err(error) if reasons(&error).iter().any(failed) => {
                let failures = conditions.into_iter().zip(reasons(&error).iter().cloned());
                let failures = failures.filter(|(_, reason)| failed(reason));
                Err(CommitError::Failed(
                    failures
                        .map(|(condition, reason)| FailedCondition { condition, row: reason.item })
                        .collect(),
                ))
            }
            Err(error) => Err(CommitError::Fault(Fault::broken(error))),
        }
    }
}

/// The cancellation reasons of a transaction, one for each write. Empty if it failed in another
/// way.
fn reasons(error: &SdkError<TransactWriteItemsError, HttpResponse>) -> &[CancellationReason] {
    match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
            cancelled.cancellation_reasons()
        }
        _ => &[],
    }
}

fn failed(reason: &CancellationReason) -> bool {
    reason.code() == Some("ConditionalCheckFailed")
}

fn classify(error: &SdkError<TransactWriteItemsError, HttpResponse>) -> ErrorClass {
    let reasons = reasons(error);
    let is_transient =
        |reason: &CancellationReason| reason.code().is_some_and(retry::is_transient_code);
    if reasons.iter().any(failed) {
        ErrorClass::Permanent
    } else if reasons.iter().any(is_transient) {
        ErrorClass::Transient
    } else {
        retry::classify(error)
    }
}
