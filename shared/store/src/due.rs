//! What is due: rows of the orders table that somebody must look at by a time. They are in one sparse index, in parts so that
//! none is hot; the index follows the rows by a moment, so who acts on a row asserts that it is still due.

use crate::{Item, Store, item::text};
use domain::{Fault, Timestamp};

/// Rows that are read at once.
const PAGE: i32 = 100;

/// The kinds of rows that become due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DueKind {
    /// An order that waits to be paid.
    Unpaid,
    /// An attempt to charge a card that has not ended.
    Attempt,
}

impl DueKind {
    /// The name of one part of the index.
    pub(crate) fn shard_name(self, shard: u8) -> String {
        match self {
            Self::Unpaid => format!("UNPAID#{shard}"),
            Self::Attempt => format!("ATTEMPT#{shard}"),
        }
    }
}

/// In which part of the index a row is.
pub(crate) struct Due {
    kind: DueKind,
    shard: u8,
}

impl Due {
    /// The part for the row of this id, of so many parts.
    pub(crate) fn new(kind: DueKind, id: &str, shards: u8) -> Self {
        Self { kind, shard: id.bytes().fold(0_u8, u8::wrapping_add) % shards }
    }

    pub(crate) fn shard_name(&self) -> String {
        self.kind.shard_name(self.shard)
    }
}

impl Store {
    /// A page of the rows in one part of the index that are due at `now`, the longest overdue first, and where the next begins.
    pub(crate) async fn overdue(
        &self,
        shard: &str,
        now: Timestamp,
        from: Option<Item>,
    ) -> Result<(Vec<Item>, Option<Item>), Fault> {
        let table = self.tables.orders.as_str();
        let call = || {
            let request = self.client.query().table_name(table).index_name("due");
            let request = request.key_condition_expression("dueShard = :shard AND dueAt <= :now");
            let request = request.expression_attribute_values(":shard", text(shard));
            let request = request.expression_attribute_values(":now", text(now)).limit(PAGE);
            request.set_exclusive_start_key(from.clone()).send()
        };
        let answer = self.ask(call).await?;
        Ok((answer.items.unwrap_or_default(), answer.last_evaluated_key))
    }
}
