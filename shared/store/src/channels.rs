//! Sales channels: accounts with marketplaces, how far they are collected, and what was collected there.
//!
//! How far a channel is collected, and the collection that goes on, is one row: it moves only once what it says is stored, so a
//! crash leaves it behind and never ahead.

use crate::{
    Channels, Page, PageRequest, Transaction, Write,
    item::{number, read, row, string, text},
    keys,
    read::Query,
};
use aws_smithy_async::rt::sleep::AsyncSleep;
use domain::{ChannelId, Fault, RunId, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a collection that has ended is kept.
const RUNS_KEPT: Duration = Duration::from_hours(30 * 24);

/// How often a turn is asked for anew when somebody else took it.
const ATTEMPTS: usize = 8;

/// A sales channel, with its credentials sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Channel {
    /// Its id.
    pub channel_id: ChannelId,
    /// What the operator calls it.
    pub name: String,
    /// The kind of marketplace, such as `COUPANG`.
    pub kind: String,
    /// Which account it is there, if that matters: no two channels are the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The credentials, sealed.
    pub credentials: String,
    /// Since when we have them.
    pub credentials_since: Timestamp,
    /// It is collected so often.
    pub interval_minutes: u32,
    /// Whether it is collected.
    pub active: bool,
    /// What keeps its buyers' ids from being tried out.
    pub salt: String,
    /// The idempotency key under which it was registered, hashed alone and with what was asked for, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered_by: Option<(String, String)>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// How often it was written.
    pub writes: i64,
}

impl Channel {
    /// What its calls are paced by: its account; it alone, if it has none.
    pub fn paced_by(&self) -> String {
        match &self.account {
            Some(account) => account_key(&self.kind, account),
            None => account_key(&self.kind, self.channel_id.as_str()),
        }
    }
}

fn account_key(kind: &str, account: &str) -> String {
    format!("{kind}#{account}")
}

/// How far a channel is collected, and the collection that goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Collection {
    /// Of which channel.
    pub channel_id: ChannelId,
    /// Up to where every order is collected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collected_until: Option<Timestamp>,
    /// Where the collection of products goes on, if it was not finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub products_place: Option<String>,
    /// When products were last collected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub products_at: Option<Timestamp>,
    /// When the last run began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun_at: Option<Timestamp>,
    /// The run that goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Run>,
    /// How often it was written.
    pub writes: i64,
}

/// A run that somebody has asked for, and that has not begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunRequest {
    /// Its id.
    pub run_id: RunId,
    /// When.
    pub at: Timestamp,
}

/// One collection of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Its id.
    pub run_id: RunId,
    /// When it began.
    pub begun_at: Timestamp,
    /// When it ended, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// From when on orders are collected in it.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// What is being collected.
    pub stage: Stage,
    /// Whether products are collected too.
    pub with_products: bool,
    /// Until when whoever is at it may take.
    pub claimed_until: Timestamp,
    /// Calls that were made of the marketplace.
    pub calls: u32,
    /// Orders that it told of, one that was told of twice counted twice.
    pub orders: u32,
    /// Of these, those that were news.
    pub changed: u32,
    /// Products that it told of.
    pub products: u32,
    /// Stocks that it was told.
    pub stocks: u32,
    /// Entries that it told of and that were not understood: nothing after them counts as collected.
    #[serde(default)]
    pub unread: u32,
    /// A few of them, as far as they can be named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub such_as: Vec<String>,
    /// How large a window may be, in seconds, if larger ones are too slow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_seconds: Option<u64>,
    /// How many calls in a row were in vain.
    pub troubles: u32,
    /// What went wrong last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What an operator should know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// What is being collected, and where that stands. A place is the marketplace's, as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Stage {
    /// Orders.
    Orders {
        /// The place.
        place: String,
        /// From when on its window is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<Timestamp>,
        /// Until when everything is collected, once its window is.
        until: Timestamp,
    },
    /// Products.
    Products {
        /// The place; none, at the beginning.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        place: Option<String>,
    },
    /// The stocks of mapped products, which the marketplace is told.
    Stocks {
        /// The mapping that was looked at last.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
    },
    /// Nothing more.
    Over,
}

impl Channels<'_> {
    /// Registers a channel; tells whether there was none of its id.
    pub async fn create(self, channel: &Channel) -> Result<bool, Fault> {
        let table = self.0.tables.channels.as_str();
        let id = &channel.channel_id;
        let collection = Collection {
            channel_id: id.clone(),
            collected_until: None,
            products_place: None,
            products_at: None,
            begun_at: None,
            run: None,
            writes: 1,
        };
        let all = Transaction::default()
            .with(Write::put(table, row(&keys::channel(id), channel)?).when_new(), ())
            .with(Write::put(table, row(&keys::collection(id), &collection)?).when_new(), ());
        all.commit_if_new(self.0).await
    }

    /// A channel.
    pub async fn get(self, id: &ChannelId) -> Result<Option<Channel>, Fault> {
        self.0.get(&self.0.tables.channels, &keys::channel(id)).await?.map(read).transpose()
    }

    /// Every channel, by id.
    pub async fn all(self) -> Result<Vec<Channel>, Fault> {
        let query = Query { table: &self.0.tables.channels, pk: keys::CHANNELS, prefix: "", newest_first: false };
        self.0.query_all(&query).await?.into_iter().map(read).collect()
    }

    /// Puts a channel that nobody wrote since it was seen (`writes` is one more than then); tells whether it did.
    pub async fn put(self, channel: &Channel) -> Result<bool, Fault> {
        let put = Write::put(&self.0.tables.channels, row(&keys::channel(&channel.channel_id), channel)?);
        let put = put.when("writes = :seen").value(":seen", number(channel.writes - 1));
        Transaction::default().with(put, ()).commit_if_new(self.0).await
    }

    /// Removes a channel: nothing is collected there any more, and its products are none of ours. Its orders stay.
    pub async fn remove(self, channel: &Channel) -> Result<(), Fault> {
        let table = self.0.tables.channels.as_str();
        let id = &channel.channel_id;
        loop {
            let mappings =
                self.0.channel_products().list_mappings(id, &PageRequest { limit: 40, after: None }).await?.entries;
            if mappings.is_empty() {
                break;
            }
            let removed = mappings.iter().fold(Transaction::default(), |all, mapping| {
                let there = keys::mapped_there(&mapping.product_id, id, &mapping.external_id);
                let removed = all.with(Write::delete(table, keys::mapping(id, &mapping.external_id)), ());
                removed.with(Write::delete(table, there), ())
            });
            removed.commit_unconditional(self.0).await?;
        }
        let all = Transaction::default()
            .with(Write::delete(table, keys::collection(id)), ())
            .with(Write::delete(table, keys::run_request(id)), ())
            .with(Write::delete(table, keys::channel(id)), ());
        all.commit_unconditional(self.0).await
    }

    /// How far a channel is collected.
    pub async fn collection(self, id: &ChannelId) -> Result<Option<Collection>, Fault> {
        self.0.get(&self.0.tables.channels, &keys::collection(id)).await?.map(read).transpose()
    }

    /// How far channels are collected, and the runs that were asked for, in the same order.
    pub async fn collections(self, ids: &[&ChannelId]) -> Result<Vec<(Option<Collection>, Option<RunRequest>)>, Fault> {
        let table = self.0.tables.channels.as_str();
        let keys = ids.iter().flat_map(|id| [keys::collection(id), keys::run_request(id)]);
        let mut found = self.0.batch_get(keys.map(|key| (table, key))).await?;
        let mut one = |id: &&ChannelId| {
            let collection = found.take(&keys::collection(id)).map(read).transpose()?;
            Ok((collection, found.take(&keys::run_request(id)).map(read).transpose()?))
        };
        ids.iter().map(&mut one).collect()
    }

    /// Asks for a run, unless one was asked for that has not begun; tells which one it is, and whether it is this one.
    pub async fn request_run(self, id: &ChannelId, asked: RunRequest) -> Result<(RunId, bool), Fault> {
        let table = self.0.tables.channels.as_str();
        let put = Write::put(table, row(&keys::run_request(id), &asked)?).when_new();
        if Transaction::default().with(put, ()).commit_if_new(self.0).await? {
            return Ok((asked.run_id, true));
        }
        let known: Option<RunRequest> = self.0.get(table, &keys::run_request(id)).await?.map(read).transpose()?;
        // Where it has begun meanwhile, there was one all the same.
        Ok((known.map_or(asked.run_id, |known| known.run_id), false))
    }

    /// A run has begun: from then on another one may be asked for.
    pub async fn remove_run_request(self, id: &ChannelId, run: &RunId) -> Result<(), Fault> {
        let delete = Write::delete(&self.0.tables.channels, keys::run_request(id));
        let delete = delete.when("runId = :run").value(":run", text(run));
        Transaction::default().with(delete, ()).commit_if_new(self.0).await.map(drop)
    }

    /// Puts how far a channel is collected, if nobody wrote it since it was seen (`writes` is one more than then), and with it
    /// the run that ended, if one did; tells whether it did.
    pub async fn put_collection(self, collection: &Collection, ended: Option<&Run>) -> Result<bool, Fault> {
        let table = self.0.tables.channels.as_str();
        let id = &collection.channel_id;
        let put = Write::put(table, row(&keys::collection(id), collection)?);
        let put = put.when("writes = :seen").value(":seen", number(collection.writes - 1));
        let all = Transaction::default().with(put, ());
        let all = match ended {
            Some(run) => {
                let mut item = row(&keys::run(id, &run.run_id), run)?;
                item.insert("expiresAt".into(), number(run.begun_at.plus(RUNS_KEPT).seconds()));
                all.with(Write::put(table, item).when_new(), ())
            }
            None => all,
        };
        all.commit_if_new(self.0).await
    }

    /// A run that has ended.
    pub async fn ended_run(self, id: &ChannelId, run: &RunId) -> Result<Option<Run>, Fault> {
        self.0.get(&self.0.tables.channels, &keys::run(id, run)).await?.map(read).transpose()
    }

    /// The runs of a channel that have ended, the newest first. A page's `next` is the id of its last.
    pub async fn ended_runs(self, id: &ChannelId, page: &PageRequest) -> Result<Page<Run>, Fault> {
        let pk = keys::channel_rows(id);
        let query = Query { table: &self.0.tables.channels, pk: &pk, prefix: keys::RUN, newest_first: true };
        let after = page.after.as_ref().map(|run| format!("{}{run}", keys::RUN));
        let rows = self.0.query(&query, &PageRequest { limit: page.limit, after }).await?;
        let next = rows.next.map(|sk| sk.trim_start_matches(keys::RUN).to_owned());
        Ok(Page { entries: rows.entries.into_iter().map(read).collect::<Result<_, _>>()?, next })
    }

    /// Waits for an account's turn to call its marketplace, and takes it: turns are so far apart, whoever asks for them. If it
    /// would come after `patience`, nothing is taken, and how long it is until then is told.
    pub async fn take_turn(
        self,
        account: &str,
        apart: Duration,
        patience: Timestamp,
    ) -> Result<Result<(), Duration>, Fault> {
        let table = self.0.tables.channels.as_str();
        for _ in 0..ATTEMPTS {
            let seen = self.next_turn(account).await?;
            let now = self.0.now();
            let turn = seen.map_or(now, |seen| seen.max(now));
            if turn > patience {
                return Ok(Err(now.until(turn)));
            }
            let put = Write::update(table, keys::turn(account), "SET nextAt = :next");
            let put = put.value(":next", text(turn.plus(apart)));
            let put = match seen {
                None => put.when("attribute_not_exists(pk)"),
                Some(seen) => put.when("nextAt = :seen").value(":seen", text(seen)),
            };
            if Transaction::default().with(put, ()).commit_if_new(self.0).await? {
                self.0.sleep.sleep(now.until(turn)).await;
                return Ok(Ok(()));
            }
        }
        Ok(Err(apart))
    }

    /// Leaves an account alone until then.
    pub async fn back_off(self, account: &str, until: Timestamp) -> Result<(), Fault> {
        let put = Write::update(&self.0.tables.channels, keys::turn(account), "SET nextAt = :until");
        let put = put.when("attribute_not_exists(pk) OR nextAt < :until").value(":until", text(until));
        Transaction::default().with(put, ()).commit_if_new(self.0).await.map(drop)
    }

    async fn next_turn(self, account: &str) -> Result<Option<Timestamp>, Fault> {
        let found = self.0.get(&self.0.tables.channels, &keys::turn(account)).await?;
        found.map(|item| string(&item, "nextAt")?.parse().map_err(Fault::broken)).transpose()
    }
}
