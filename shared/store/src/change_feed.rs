//! The change feed: every change of every order, in the order in which the feed received them. It
//! can be read from any position.
//!
//! One row, the head, holds the last position. An appending transaction raises it by the number of
//! entries that it appends, and asserts that it is unchanged since it was read. Positions therefore
//! have no gaps, and no entry is ever added at or below the head. A reader reads the head, and then
//! the entries up to it. These two reads are not a snapshot: a transaction that is being applied
//! may be visible in part. A reader therefore stops at the first missing position, unless its entry
//! has expired. It never overtakes a slow writer.
//!
//! An hour mark holds the first position of an hour, by the time at which the feed received the
//! changes. This time never decreases, and is never before the time of the change itself.

use crate::{
    ChangeFeed, Item, Transaction, Write,
    item::{number, read, row, string, text},
    keys,
    optimistic::{
        Attempted::{self, Done},
        OFTEN_CHANGED, optimistically,
    },
};
use domain::{Fault, OrderId, Timestamp, sales::Hour};
use events::{Envelope, EventType, Order};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// How long entries are stored.
pub const RETENTION: Duration = Duration::from_hours(30 * 24);

/// The most changes in one transaction: each change is two writes (its entry, and its order's last
/// version), beside the head and an hour mark.
pub const MAX_APPENDED: usize = 49;

/// One change of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The position in the feed.
    pub position: u64,
    /// The type of the change.
    pub event_type: EventType,
    /// The order immediately after the change.
    pub order: Order,
}

/// The end of the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    /// The last position. The first position is 1.
    position: u64,
    /// The time at which the feed received the last change.
    received_at: Timestamp,
}

/// The last version of an order in the feed.
#[derive(Serialize, Deserialize)]
struct Last {
    version: u32,
}

/// Bounds of the positions whose entries have expired.
#[derive(Clone, Copy)]
struct Expired {
    /// All entries up to this position have expired.
    all_through: u64,
    /// No entry after this position has expired.
    none_after: u64,
}

/// The first position of an hour.
#[derive(Serialize, Deserialize)]
struct Mark {
    position: u64,
}

fn expiring(mut item: Item, now: Timestamp, retention: Duration) -> Item {
    item.insert("expiresAt".into(), number(now.plus(retention).seconds()));
    item
}

impl ChangeFeed<'_> {
    async fn head(self) -> Result<Option<Head>, Fault> {
        self.0.get(&self.0.tables.views, &keys::feed_head()).await?.map(read).transpose()
    }

    /// Appends changes in the given order, at most [`MAX_APPENDED`]. Skips versions that the feed
    /// already has.
    pub async fn append(self, changes: &[Envelope<Order>], now: Timestamp) -> Result<(), Fault> {
        optimistically(OFTEN_CHANGED, || async {
            let new_changes = self.new_changes(changes).await?;
            if new_changes.is_empty() {
                return Ok(Done(()));
            }
            let is_written = self.append_at(&new_changes, self.head().await?, now).await?;
            Ok(Attempted::done_if(is_written, || ()))
        })
        .await
    }

    /// The changes that are not in the feed yet, each with the last version of its order in the
    /// feed.
    async fn new_changes(
        self,
        changes: &[Envelope<Order>],
    ) -> Result<Vec<(&Envelope<Order>, Option<u32>)>, Fault> {
        let table = self.0.tables.views.as_str();
        let ids: std::collections::BTreeSet<&OrderId> =
            changes.iter().map(|change| &change.data.order_id).collect();
        let mut found = self.0.batch_get(ids.iter().map(|id| (table, keys::feed_of(id)))).await?;
        let mut known: BTreeMap<&OrderId, Option<u32>> = BTreeMap::new();
        for id in ids {
            let last: Option<Last> = found.take(&keys::feed_of(id)).map(read).transpose()?;
            known.insert(id, last.map(|last| last.version));
        }
        let mut reached = known.clone();
        let mut new_changes = Vec::new();
        for change in changes {
            let order = &change.data;
            let last = reached.get(&order.order_id).copied().flatten();
            if last.is_none_or(|last| last < order.version) {
                reached.insert(&order.order_id, Some(order.version));
                new_changes.push((change, known.get(&order.order_id).copied().flatten()));
            }
        }
        Ok(new_changes)
    }

    async fn append_at(
        self,
        new_changes: &[(&Envelope<Order>, Option<u32>)],
        head: Option<Head>,
        now: Timestamp,
    ) -> Result<bool, Fault> {
        let table = self.0.tables.views.as_str();
        let last_change = new_changes.iter().map(|(change, _)| change.data.updated_at).max();
        let received_at = last_change
            .into_iter()
            .chain(head.map(|head| head.received_at))
            .fold(now, Timestamp::max);
        let begin = head.map_or(1, |head| head.position + 1);
        let next = Head { position: begin + new_changes.len() as u64 - 1, received_at };
        let raised = Write::put(table, row(&keys::feed_head(), &next)?);
        let raised = match head {
            None => raised.when_new(),
            Some(head) => raised
                .when("#position = :seen")
                .name("#position", "position")
                .value(":seen", number(i64::try_from(head.position).unwrap_or(i64::MAX))),
        };
        let mut all = Transaction::default().with(raised, ());
        let hour = Hour::of(received_at);
        if head.is_none_or(|head| Hour::of(head.received_at) != hour) {
            let mark = row(&keys::feed_mark(hour), &Mark { position: begin })?;
            all = all.with(Write::put(table, expiring(mark, received_at, RETENTION * 2)), ());
        }
        let mut last: BTreeMap<&OrderId, (u32, Option<u32>)> = BTreeMap::new();
        for ((change, known), position) in new_changes.iter().zip(begin..) {
            let order = &change.data;
            let entry = Entry { position, event_type: change.event_type, order: order.clone() };
            let item = row(&keys::feed_entry(position), &entry)?;
            all =
                all.with(Write::put(table, expiring(item, received_at, RETENTION)).when_new(), ());
            last.insert(&order.order_id, (order.version, *known));
        }
        for (id, (version, known)) in last {
            let item = row(&keys::feed_of(id), &Last { version })?;
            let put = Write::put(table, expiring(item, received_at, RETENTION * 2));
            let put = match known {
                None => put.when_new(),
                Some(known) => put.when("version = :known").value(":known", number(known.into())),
            };
            all = all.with(put, ());
        }
        all.commit_if_unchanged(self.0).await
    }

    /// Reads up to `limit` entries after a position. Also returns the position to resume from: the
    /// last position examined, even if its entry has expired.
    pub async fn after(self, position: u64, limit: u16) -> Result<(Vec<Entry>, u64), Fault> {
        let Some(head) = self.head().await? else { return Ok((Vec::new(), position)) };
        let mut entries: Vec<Entry> = Vec::new();
        let mut reached = position;
        let mut expired = None;
        while reached < head.position && entries.len() < usize::from(limit) {
            let end_of_partition =
                ((reached + 1) / keys::IN_PARTITION + 1) * keys::IN_PARTITION - 1;
            let end = end_of_partition.min(head.position);
            let room = u64::from(limit) - entries.len() as u64;
            let mut page = self.entries(reached + 1, end, room).await?.into_iter().peekable();
            while let Some(entry) = page.next_if(|entry| entry.position == reached + 1) {
                reached = entry.position;
                entries.push(entry);
            }
            let next = page.peek().map(|entry| entry.position);
            if entries.len() == usize::from(limit) || (next.is_none() && reached == end) {
                continue;
            }
            // Positions have no gaps. A missing entry has expired, or it is being written and the
            // reader must wait for it.
            let Expired { all_through, none_after } = match expired {
                Some(expired) => expired,
                None => *expired.insert(self.expired(head).await?),
            };
            if reached >= none_after {
                break;
            }
            reached = next
                .map_or(end, |next| next - 1)
                .min(none_after)
                .max(all_through)
                .min(head.position);
        }
        Ok((entries, reached))
    }

    /// The bounds of the expired positions.
    async fn expired(self, head: Head) -> Result<Expired, Fault> {
        let floor = self.0.now().minus(RETENTION);
        let before = |time: Timestamp, mark: Option<Mark>| match mark {
            Some(mark) => mark.position - 1,
            None if Hour::of(head.received_at) < Hour::of(time) => head.position,
            // The mark is being written together with the head.
            None => 0,
        };
        let an_hour_later = floor.plus(Duration::from_hours(1));
        Ok(Expired {
            all_through: before(floor, self.first_mark(floor).await?),
            none_after: before(an_hour_later, self.first_mark(an_hour_later).await?),
        })
    }

    /// The current orders, last change first. Reads up to `limit` entries before the position
    /// `before` (`None`: the last entries), and skips those that a later change of the same order
    /// supersedes. Also returns the position to resume before, if there may be more.
    pub async fn latest(
        self,
        before: Option<u64>,
        limit: u16,
    ) -> Result<(Vec<Entry>, Option<u64>), Fault> {
        let table = self.0.tables.views.as_str();
        let end = match before {
            Some(before) => before.saturating_sub(1),
            None => self.head().await?.map_or(0, |head| head.position),
        };
        if end == 0 {
            return Ok((Vec::new(), None));
        }
        let begin = (end / keys::IN_PARTITION) * keys::IN_PARTITION;
        let call = || {
            let request = self
                .0
                .client
                .query()
                .table_name(table)
                .consistent_read(true)
                .scan_index_forward(false);
            let request = request
                .limit(i32::from(limit))
                .key_condition_expression("pk = :pk AND sk BETWEEN :begin AND :end");
            let request =
                request.expression_attribute_values(":pk", text(keys::feed_partition(end)));
            let request =
                request.expression_attribute_values(":begin", text(keys::feed_place(begin)));
            request.expression_attribute_values(":end", text(keys::feed_place(end))).send()
        };
        let response = self.0.send(call).await?;
        let entries: Vec<Entry> =
            response.items.unwrap_or_default().into_iter().map(read).collect::<Result<_, _>>()?;
        // Without an entry, everything before has expired.
        let Some(first) = entries.last().map(|entry| entry.position) else {
            return Ok((entries, None));
        };
        let ids: std::collections::BTreeSet<&OrderId> =
            entries.iter().map(|entry| &entry.order.order_id).collect();
        let mut found = self.0.batch_get(ids.iter().map(|id| (table, keys::feed_of(id)))).await?;
        let mut last: BTreeMap<OrderId, u32> = BTreeMap::new();
        for id in ids {
            let known: Option<Last> = found.take(&keys::feed_of(id)).map(read).transpose()?;
            last.insert(id.clone(), known.map_or(0, |known| known.version));
        }
        let is_current =
            |entry: &Entry| last.get(&entry.order.order_id) == Some(&entry.order.version);
        let next = Some(if response.last_evaluated_key.is_some() { first } else { begin.max(1) })
            .filter(|next| *next > 1);
        Ok((entries.into_iter().filter(is_current).collect(), next))
    }

    /// Entries of one partition, from `from` to `end` inclusive, at most `room`.
    async fn entries(self, from: u64, end: u64, room: u64) -> Result<Vec<Entry>, Fault> {
        let table = self.0.tables.views.as_str();
        let mut start = keys::feed_place(from);
        let mut entries = Vec::new();
        loop {
            let limit = i32::try_from(room - entries.len() as u64).unwrap_or(i32::MAX);
            let call = || {
                let request =
                    self.0.client.query().table_name(table).consistent_read(true).limit(limit);
                let request =
                    request.key_condition_expression("pk = :pk AND sk BETWEEN :from AND :end");
                let request =
                    request.expression_attribute_values(":pk", text(keys::feed_partition(from)));
                let request = request.expression_attribute_values(":from", text(&start));
                request.expression_attribute_values(":end", text(keys::feed_place(end))).send()
            };
            let response = self.0.send(call).await?;
            for item in response.items.unwrap_or_default() {
                entries.push(read::<Entry>(item)?);
            }
            match response.last_evaluated_key {
                Some(last) if (entries.len() as u64) < room => {
                    start = format!("{}!", string(&last, "sk")?);
                }
                _ => return Ok(entries),
            }
        }
    }

    /// A position that precedes every change at or after `since`, as close as the hour marks allow.
    /// Without such a mark: a position near the end of the feed.
    pub async fn position_before(self, since: Timestamp) -> Result<u64, Fault> {
        let Some(head) = self.head().await? else { return Ok(0) };
        // No mark: there are no such changes, or the mark is being written with the last append.
        let end = head.position.saturating_sub(MAX_APPENDED as u64);
        Ok(self.first_mark(since).await?.map_or(end, |mark| mark.position - 1))
    }

    /// The mark of the hour of `since`, or the first later mark.
    async fn first_mark(self, since: Timestamp) -> Result<Option<Mark>, Fault> {
        let table = self.0.tables.views.as_str();
        let call = || {
            let request = self.0.client.query().table_name(table).consistent_read(true).limit(1);
            let request =
                request.key_condition_expression("pk = :pk AND sk BETWEEN :from AND :end");
            let request = request.expression_attribute_values(":pk", text(keys::FEED));
            let request = request
                .expression_attribute_values(":from", text(keys::feed_mark(Hour::of(since)).sk));
            request.expression_attribute_values(":end", text(format!("{}~", keys::MARK))).send()
        };
        self.0.send(call).await?.items.unwrap_or_default().into_iter().next().map(read).transpose()
    }
}
