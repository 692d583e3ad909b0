//! The `due` index of the orders table: rows that need work at a certain time.
//!
//! The index is sparse, and sharded so that no partition is hot. It is eventually consistent: a
//! caller that acts on a row must assert that the row is still due.

use crate::{Item, StartKey, Store, item::text};
use domain::{Fault, Timestamp};

/// Rows read per query.
const PAGE: i32 = 100;

/// The kinds of rows that become due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DueKind {
    /// An order whose payment is due.
    Unpaid,
    /// A card payment attempt without a final result.
    Attempt,
}

impl DueKind {
    /// The partition key of one shard of the index.
    pub(crate) fn shard_name(self, shard: u8) -> String {
        match self {
            Self::Unpaid => format!("UNPAID#{shard}"),
            Self::Attempt => format!("ATTEMPT#{shard}"),
        }
    }
}

/// The shard of the index that a row belongs to.
pub(crate) struct Due {
    kind: DueKind,
    shard: u8,
}

impl Due {
    /// Selects one of `shards` shards by the row's id.
    pub(crate) fn new(kind: DueKind, id: &str, shards: u8) -> Self {
        Self { kind, shard: id.bytes().fold(0_u8, u8::wrapping_add) % shards }
    }

    pub(crate) fn shard_name(&self) -> String {
        self.kind.shard_name(self.shard)
    }
}

impl Store {
    /// A page of the rows of one shard that are due at `now`, longest overdue first, and the start
    /// of the next page.
    pub(crate) async fn overdue(
        &self,
        shard: &str,
        now: Timestamp,
        from: Option<StartKey>,
    ) -> Result<(Vec<Item>, Option<StartKey>), Fault> {
        let table = self.tables.orders.as_str();
        let call = || {
            let request = self.client.query().table_name(table).index_name("due");
            let request = request.key_condition_expression("dueShard = :shard AND dueAt <= :now");
            let request = request.expression_attribute_values(":shard", text(shard));
            let request = request.expression_attribute_values(":now", text(now)).limit(PAGE);
            request.set_exclusive_start_key(from.clone()).send()
        };
        let response = self.send(call).await?;
        Ok((response.items.unwrap_or_default(), response.last_evaluated_key))
    }
}
