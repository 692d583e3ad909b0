//! The change feed: every change of every order, in the order in which the feed learnt of them, to be read from any position.
//!
//! Positions are given by one row, the head, which each appending transaction raises by as many as it appends, asserting that
//! it is where it was seen. So positions have no holes, and a position below the head can never be given away later. A reader
//! reads the head, and then entries up to it; but what one transaction wrote may be seen in part while it is being applied (two
//! reads are no snapshot). So a reader goes no further than the first position that is missing, unless it is missing for its age:
//! it is never overtaken by a slower writer.
//!
//! An hour's mark says at which position it begins, by the time at which the feed learnt of changes. That time never goes
//! back, and is never before the change itself.

use crate::{
    ChangeFeed, CommitError, Item, Transaction, Write,
    item::{number, read, row, string, text},
    keys,
};
use domain::{Fault, OrderId, Timestamp, sales::Hour};
use events::{Envelope, EventType, Order};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// How long the feed goes back.
pub const KEPT: Duration = Duration::from_hours(30 * 24);

/// Changes in one transaction at the most: each writes itself and which version of its order is the last, beside the head and
/// an hour's mark.
pub const MAX_APPENDED: usize = 49;

/// How often the head is read anew when somebody else raised it in between.
const ATTEMPTS: usize = 8;

/// A change of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Its position.
    pub position: u64,
    /// What changed.
    pub event_type: EventType,
    /// The order as it was just after.
    pub order: Order,
}

/// How far the feed goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    /// The last position; the first is 1.
    position: u64,
    /// When the feed learnt of it.
    learnt_at: Timestamp,
}

/// Which version of an order the feed has last.
#[derive(Serialize, Deserialize)]
struct Last {
    version: u32,
}

/// Up to which positions entries have expired.
#[derive(Clone, Copy)]
struct Expired {
    /// All of them.
    surely: u64,
    /// Some of them, perhaps; none beyond.
    perhaps: u64,
}

/// Where an hour begins.
#[derive(Serialize, Deserialize)]
struct Mark {
    position: u64,
}

fn expiring(mut item: Item, now: Timestamp, kept: Duration) -> Item {
    item.insert("expiresAt".into(), number(now.plus(kept).seconds()));
    item
}

impl ChangeFeed<'_> {
    async fn head(self) -> Result<Option<Head>, Fault> {
        self.0.get(&self.0.tables.views, &keys::feed_head()).await?.map(read).transpose()
    }

    /// Appends changes, at most [`MAX_APPENDED`], in their order; of each order those that the feed does not have yet.
    pub async fn append(self, changes: &[Envelope<Order>], now: Timestamp) -> Result<(), Fault> {
        for _ in 0..ATTEMPTS {
            let news = self.news(changes).await?;
            if news.is_empty() {
                return Ok(());
            }
            match self.append_at(&news, self.head().await?, now).await {
                Ok(()) => return Ok(()),
                Err(CommitError::Failed(_)) => {}
                Err(CommitError::Fault(fault)) => return Err(fault),
            }
        }
        Err(Fault::busy("the feed grows faster than it can be appended to"))
    }

    /// The changes that the feed does not have yet, each with the version of its order that the feed has last.
    async fn news(self, changes: &[Envelope<Order>]) -> Result<Vec<(&Envelope<Order>, Option<u32>)>, Fault> {
        let table = self.0.tables.views.as_str();
        let ids: std::collections::BTreeSet<&OrderId> = changes.iter().map(|change| &change.data.order_id).collect();
        let mut found = self.0.batch_get(ids.iter().map(|id| (table, keys::feed_of(id)))).await?;
        let mut known: BTreeMap<&OrderId, Option<u32>> = BTreeMap::new();
        for id in ids {
            let last: Option<Last> = found.take(&keys::feed_of(id)).map(read).transpose()?;
            known.insert(id, last.map(|last| last.version));
        }
        let mut reached = known.clone();
        let mut news = Vec::new();
        for change in changes {
            let order = &change.data;
            let last = reached.get(&order.order_id).copied().flatten();
            if last.is_none_or(|last| last < order.version) {
                reached.insert(&order.order_id, Some(order.version));
                news.push((change, known.get(&order.order_id).copied().flatten()));
            }
        }
        Ok(news)
    }

    async fn append_at(
        self,
        news: &[(&Envelope<Order>, Option<u32>)],
        head: Option<Head>,
        now: Timestamp,
    ) -> Result<(), CommitError<()>> {
        let table = self.0.tables.views.as_str();
        let last_change = news.iter().map(|(change, _)| change.data.updated_at).max();
        let learnt_at = last_change.into_iter().chain(head.map(|head| head.learnt_at)).fold(now, Timestamp::max);
        let begin = head.map_or(1, |head| head.position + 1);
        let next = Head { position: begin + news.len() as u64 - 1, learnt_at };
        let raised = Write::put(table, row(&keys::feed_head(), &next).map_err(CommitError::Fault)?);
        let raised = match head {
            None => raised.when_new(),
            Some(head) => raised
                .when("#position = :seen")
                .name("#position", "position")
                .value(":seen", number(i64::try_from(head.position).unwrap_or(i64::MAX))),
        };
        let mut all = Transaction::default().with(raised, ());
        let hour = Hour::of(learnt_at);
        if head.is_none_or(|head| Hour::of(head.learnt_at) != hour) {
            let mark = row(&keys::feed_mark(hour), &Mark { position: begin }).map_err(CommitError::Fault)?;
            all = all.with(Write::put(table, expiring(mark, learnt_at, KEPT * 2)), ());
        }
        let mut last: BTreeMap<&OrderId, (u32, Option<u32>)> = BTreeMap::new();
        for ((change, known), position) in news.iter().zip(begin..) {
            let order = &change.data;
            let entry = Entry { position, event_type: change.event_type, order: order.clone() };
            let item = row(&keys::feed_entry(position), &entry).map_err(CommitError::Fault)?;
            all = all.with(Write::put(table, expiring(item, learnt_at, KEPT)).when_new(), ());
            last.insert(&order.order_id, (order.version, *known));
        }
        for (id, (version, known)) in last {
            let item = row(&keys::feed_of(id), &Last { version }).map_err(CommitError::Fault)?;
            let put = Write::put(table, expiring(item, learnt_at, KEPT * 2));
            let put = match known {
                None => put.when_new(),
                Some(known) => put.when("version = :known").value(":known", number(known.into())),
            };
            all = all.with(put, ());
        }
        all.commit(self.0).await
    }

    /// Entries after a position, at most so many, and the position from which to go on: that of the last entry that was
    /// looked at, also where none was there.
    pub async fn after(self, position: u64, limit: u16) -> Result<(Vec<Entry>, u64), Fault> {
        let Some(head) = self.head().await? else { return Ok((Vec::new(), position)) };
        let mut entries: Vec<Entry> = Vec::new();
        let mut reached = position;
        let mut expired = None;
        while reached < head.position && entries.len() < usize::from(limit) {
            let end_of_partition = ((reached + 1) / keys::IN_PARTITION + 1) * keys::IN_PARTITION - 1;
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
            // Positions have no holes. What is missing has expired, or is just being written: that is waited for.
            let Expired { surely, perhaps } = match expired {
                Some(expired) => expired,
                None => *expired.insert(self.expired(head).await?),
            };
            if reached >= perhaps {
                break;
            }
            reached = next.map_or(end, |next| next - 1).min(perhaps).max(surely).min(head.position);
        }
        Ok((entries, reached))
    }

    /// Up to where entries have expired.
    async fn expired(self, head: Head) -> Result<Expired, Fault> {
        let floor = self.0.now().minus(KEPT);
        let before = |time: Timestamp, mark: Option<Mark>| match mark {
            Some(mark) => mark.position - 1,
            None if Hour::of(head.learnt_at) < Hour::of(time) => head.position,
            // The mark is just being written, with the head.
            None => 0,
        };
        let an_hour_later = floor.plus(Duration::from_hours(1));
        Ok(Expired {
            surely: before(floor, self.first_mark(floor).await?),
            perhaps: before(an_hour_later, self.first_mark(an_hour_later).await?),
        })
    }

    /// Orders as they stand, the last change first: those of some entries before a position (of the last, if there is none), at most
    /// so many; and the position before which to go on, if there may be more.
    pub async fn latest(self, before: Option<u64>, limit: u16) -> Result<(Vec<Entry>, Option<u64>), Fault> {
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
            let request = self.0.client.query().table_name(table).consistent_read(true).scan_index_forward(false);
            let request =
                request.limit(i32::from(limit)).key_condition_expression("pk = :pk AND sk BETWEEN :begin AND :end");
            let request = request.expression_attribute_values(":pk", text(keys::feed_partition(end)));
            let request = request.expression_attribute_values(":begin", text(keys::feed_place(begin)));
            request.expression_attribute_values(":end", text(keys::feed_place(end))).send()
        };
        let answer = self.0.ask(call).await?;
        let entries: Vec<Entry> = answer.items.unwrap_or_default().into_iter().map(read).collect::<Result<_, _>>()?;
        // Where there is nothing, everything before has expired.
        let Some(first) = entries.last().map(|entry| entry.position) else { return Ok((entries, None)) };
        let ids: std::collections::BTreeSet<&OrderId> = entries.iter().map(|entry| &entry.order.order_id).collect();
        let mut found = self.0.batch_get(ids.iter().map(|id| (table, keys::feed_of(id)))).await?;
        let mut last: BTreeMap<OrderId, u32> = BTreeMap::new();
        for id in ids {
            let known: Option<Last> = found.take(&keys::feed_of(id)).map(read).transpose()?;
            last.insert(id.clone(), known.map_or(0, |known| known.version));
        }
        let stands = |entry: &Entry| last.get(&entry.order.order_id) == Some(&entry.order.version);
        let next =
            Some(if answer.last_evaluated_key.is_some() { first } else { begin.max(1) }).filter(|next| *next > 1);
        Ok((entries.into_iter().filter(stands).collect(), next))
    }

    /// Entries of one partition, both ends included.
    async fn entries(self, from: u64, end: u64, room: u64) -> Result<Vec<Entry>, Fault> {
        let table = self.0.tables.views.as_str();
        let mut start = keys::feed_place(from);
        let mut entries = Vec::new();
        loop {
            let limit = i32::try_from(room - entries.len() as u64).unwrap_or(i32::MAX);
            let call = || {
                let request = self.0.client.query().table_name(table).consistent_read(true).limit(limit);
                let request = request.key_condition_expression("pk = :pk AND sk BETWEEN :from AND :end");
                let request = request.expression_attribute_values(":pk", text(keys::feed_partition(from)));
                let request = request.expression_attribute_values(":from", text(&start));
                request.expression_attribute_values(":end", text(keys::feed_place(end))).send()
            };
            let answer = self.0.ask(call).await?;
            for item in answer.items.unwrap_or_default() {
                entries.push(read::<Entry>(item)?);
            }
            match answer.last_evaluated_key {
                Some(last) if (entries.len() as u64) < room => start = format!("{}!", string(&last, "sk")?),
                _ => return Ok(entries),
            }
        }
    }

    /// A position before every change that is as new as `since`, and not far before: near the end of the feed, if there is none.
    pub async fn position_before(self, since: Timestamp) -> Result<u64, Fault> {
        let Some(head) = self.head().await? else { return Ok(0) };
        // Without a mark there is nothing, or else it is just being written with what the head was raised by last.
        let end = head.position.saturating_sub(MAX_APPENDED as u64);
        Ok(self.first_mark(since).await?.map_or(end, |mark| mark.position - 1))
    }

    /// The first mark of the hour of `since`, or of a later one.
    async fn first_mark(self, since: Timestamp) -> Result<Option<Mark>, Fault> {
        let table = self.0.tables.views.as_str();
        let call = || {
            let request = self.0.client.query().table_name(table).consistent_read(true).limit(1);
            let request = request.key_condition_expression("pk = :pk AND sk BETWEEN :from AND :end");
            let request = request.expression_attribute_values(":pk", text(keys::FEED));
            let request = request.expression_attribute_values(":from", text(keys::feed_mark(Hour::of(since)).sk));
            request.expression_attribute_values(":end", text(format!("{}~", keys::MARK))).send()
        };
        self.0.ask(call).await?.items.unwrap_or_default().into_iter().next().map(read).transpose()
    }
}
