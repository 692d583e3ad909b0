//! Sales channels: marketplace accounts, the state of their collection, and their collection runs.
//!
//! One row holds the watermark of a channel and its current run. It advances only after the
//! collected data is stored, so after a crash it may be behind the data, and never ahead of it.

use crate::{
    Channels, Page, PageRequest, Transaction, Write,
    item::{number, read, row, string, text},
    keys,
    optimistic::{
        Attempted::{Conflict, Done},
        OFTEN_CHANGED, optimistically,
    },
    read::Query,
};
use aws_smithy_async::rt::sleep::AsyncSleep;
use domain::{ChannelId, Fault, RunId, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long an ended run is stored.
const RUN_RETENTION: Duration = Duration::from_hours(30 * 24);

/// A sales channel, with its credentials encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Channel {
    /// The channel's id.
    pub channel_id: ChannelId,
    /// The name that the operator gave it.
    pub name: String,
    /// The kind of marketplace, such as `COUPANG`.
    pub kind: String,
    /// The account at the marketplace, if the kind has one. No two channels have the same account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The credentials, encrypted.
    pub credentials: String,
    /// When the credentials were stored.
    pub credentials_since: Timestamp,
    /// The interval between collection runs, in minutes.
    pub interval_minutes: u32,
    /// Whether the channel is collected.
    pub active: bool,
    /// The salt of the hashed buyer ids. Without it, guessed buyer ids cannot be tested.
    pub salt: String,
    /// Two hashes that identify the creating request, if it had an idempotency key: of the key
    /// alone, and of the key with the request's content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered_by: Option<(String, String)>,
    /// When the channel was created.
    pub created_at: Timestamp,
    /// When the channel was last changed.
    pub updated_at: Timestamp,
    /// The number of writes of this row, for optimistic concurrency.
    pub writes: i64,
}

impl Channel {
    /// The key of the rate limiter that the channel's calls share: its account, or the channel
    /// itself if it has none.
    pub fn rate_limit_key(&self) -> String {
        match &self.account {
            Some(account) => account_key(&self.kind, account),
            None => account_key(&self.kind, self.channel_id.as_str()),
        }
    }
}

fn account_key(kind: &str, account: &str) -> String {
    format!("{kind}#{account}")
}

/// The collection state of a channel: its watermark and its current run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Collection {
    /// The channel's id.
    pub channel_id: ChannelId,
    /// The watermark: all orders up to this time are collected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collected_until: Option<Timestamp>,
    /// The position at which an unfinished collection of products resumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub products_cursor: Option<String>,
    /// When the products were last collected completely.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub products_at: Option<Timestamp>,
    /// When the last run started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun_at: Option<Timestamp>,
    /// The current run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Run>,
    /// The number of writes of this row, for optimistic concurrency.
    pub writes: i64,
}

/// A requested run that has not started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunRequest {
    /// The run's id.
    pub run_id: RunId,
    /// The time of the request.
    pub at: Timestamp,
}

/// One collection run of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// The run's id.
    pub run_id: RunId,
    /// When the run started.
    pub begun_at: Timestamp,
    /// When the run ended, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// The start of the time range whose orders are collected.
    pub from: Timestamp,
    /// The end of this time range.
    pub until: Timestamp,
    /// The current stage.
    pub stage: Stage,
    /// Whether products are collected, too.
    pub with_products: bool,
    /// Until when the run is claimed by the worker that executes it.
    pub claimed_until: Timestamp,
    /// Calls made to the marketplace.
    pub calls: u32,
    /// Orders received. An order received twice counts twice.
    pub orders: u32,
    /// Orders received that were new or changed.
    pub changed: u32,
    /// Products received.
    pub products: u32,
    /// Stocks sent to the marketplace.
    pub stocks: u32,
    /// Malformed entries. The watermark stays before the first of them.
    #[serde(default)]
    pub malformed: u32,
    /// Descriptions of the first few malformed entries, as far as they can be identified.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub malformed_examples: Vec<String>,
    /// The limit of the order window, in seconds, if larger windows have timed out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_seconds: Option<u64>,
    /// Consecutive failed calls.
    pub failures: u32,
    /// The last error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// A warning for the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// The stage of a run, with its position. Positions are defined by the marketplace's adapter, and
/// stored as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Stage {
    /// Collects orders.
    Orders {
        /// The position within the window.
        cursor: String,
        /// The start of the window.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<Timestamp>,
        /// The end of the window: the watermark once the window is collected.
        until: Timestamp,
    },
    /// Collects products.
    Products {
        /// The position. `None` at the start.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cursor: Option<String>,
    },
    /// Sends the stocks of mapped products to the marketplace.
    Stocks {
        /// The last mapping processed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
    },
    /// The run is finished.
    Over,
}

impl Channels<'_> {
    /// Creates a channel. Returns `false` if its id exists already.
    pub async fn create(self, channel: &Channel) -> Result<bool, Fault> {
        let table = self.0.tables.channels.as_str();
        let id = &channel.channel_id;
        let collection = Collection {
            channel_id: id.clone(),
            collected_until: None,
            products_cursor: None,
            products_at: None,
            begun_at: None,
            run: None,
            writes: 1,
        };
        let all = Transaction::default()
            .with(Write::put(table, row(&keys::channel(id), channel)?).when_new(), ())
            .with(Write::put(table, row(&keys::collection(id), &collection)?).when_new(), ());
        all.commit_if_unchanged(self.0).await
    }

    /// Reads a channel.
    pub async fn get(self, id: &ChannelId) -> Result<Option<Channel>, Fault> {
        self.0.get(&self.0.tables.channels, &keys::channel(id)).await?.map(read).transpose()
    }

    /// Reads all channels, by id.
    pub async fn all(self) -> Result<Vec<Channel>, Fault> {
        let query = Query {
            table: &self.0.tables.channels,
            pk: keys::CHANNELS,
            prefix: "",
            newest_first: false,
        };
        self.0.query_all(&query).await?.into_iter().map(read).collect()
    }

    /// Replaces a channel, if it is unchanged since it was read (`writes` is one more than then).
    /// Returns whether it was written.
    pub async fn put(self, channel: &Channel) -> Result<bool, Fault> {
        let put =
            Write::put(&self.0.tables.channels, row(&keys::channel(&channel.channel_id), channel)?);
        let put = put.when("writes = :seen").value(":seen", number(channel.writes - 1));
        Transaction::default().with(put, ()).commit_if_unchanged(self.0).await
    }

    /// Deletes a channel with its mappings and its collection state. Its orders stay.
    pub async fn remove(self, channel: &Channel) -> Result<(), Fault> {
        let table = self.0.tables.channels.as_str();
        let id = &channel.channel_id;
        loop {
            let mappings = self
                .0
                .channel_products()
                .list_mappings(id, &PageRequest { limit: 40, after: None })
                .await?
                .entries;
            if mappings.is_empty() {
                break;
            }
            let removed = mappings.iter().fold(Transaction::default(), |all, mapping| {
                let reverse = keys::reverse_mapping(&mapping.product_id, id, &mapping.external_id);
                let removed =
                    all.with(Write::delete(table, keys::mapping(id, &mapping.external_id)), ());
                removed.with(Write::delete(table, reverse), ())
            });
            removed.commit_unconditional(self.0).await?;
        }
        let all = Transaction::default()
            .with(Write::delete(table, keys::collection(id)), ())
            .with(Write::delete(table, keys::run_request(id)), ())
            .with(Write::delete(table, keys::channel(id)), ());
        all.commit_unconditional(self.0).await
    }

    /// Reads the collection state of a channel.
    pub async fn collection(self, id: &ChannelId) -> Result<Option<Collection>, Fault> {
        self.0.get(&self.0.tables.channels, &keys::collection(id)).await?.map(read).transpose()
    }

    /// The collection states of channels and their requested runs, in the order of the ids.
    pub async fn collections(
        self,
        ids: &[&ChannelId],
    ) -> Result<Vec<(Option<Collection>, Option<RunRequest>)>, Fault> {
        let table = self.0.tables.channels.as_str();
        let keys = ids.iter().flat_map(|id| [keys::collection(id), keys::run_request(id)]);
        let mut found = self.0.batch_get(keys.map(|key| (table, key))).await?;
        let mut one = |id: &&ChannelId| {
            let collection = found.take(&keys::collection(id)).map(read).transpose()?;
            Ok((collection, found.take(&keys::run_request(id)).map(read).transpose()?))
        };
        ids.iter().map(&mut one).collect()
    }

    /// Requests a run, unless one is requested already that has not started. Returns the id of the
    /// requested run, and whether it is this one.
    pub async fn request_run(
        self,
        id: &ChannelId,
        request: RunRequest,
    ) -> Result<(RunId, bool), Fault> {
        let table = self.0.tables.channels.as_str();
        let put = Write::put(table, row(&keys::run_request(id), &request)?).when_new();
        if Transaction::default().with(put, ()).commit_if_unchanged(self.0).await? {
            return Ok((request.run_id, true));
        }
        let known: Option<RunRequest> =
            self.0.get(table, &keys::run_request(id)).await?.map(read).transpose()?;
        // The other request is deleted if its run has started in the meantime. It still came first.
        Ok((known.map_or(request.run_id, |known| known.run_id), false))
    }

    /// Removes the request of a run that has started. From then on another run can be requested.
    pub async fn remove_run_request(self, id: &ChannelId, run: &RunId) -> Result<(), Fault> {
        let delete = Write::delete(&self.0.tables.channels, keys::run_request(id));
        let delete = delete.when("runId = :run").value(":run", text(run));
        Transaction::default().with(delete, ()).commit_if_unchanged(self.0).await.map(drop)
    }

    /// Replaces the collection state, if it is unchanged since it was read (`writes` is one more
    /// than then). Also stores the run that ended, if one did. Returns whether it was written.
    pub async fn put_collection(
        self,
        collection: &Collection,
        ended: Option<&Run>,
    ) -> Result<bool, Fault> {
        let table = self.0.tables.channels.as_str();
        let id = &collection.channel_id;
        let put = Write::put(table, row(&keys::collection(id), collection)?);
        let put = put.when("writes = :seen").value(":seen", number(collection.writes - 1));
        let all = Transaction::default().with(put, ());
        let all = match ended {
            Some(run) => {
                let mut item = row(&keys::run(id, &run.run_id), run)?;
                item.insert("expiresAt".into(), number(run.begun_at.plus(RUN_RETENTION).seconds()));
                all.with(Write::put(table, item).when_new(), ())
            }
            None => all,
        };
        all.commit_if_unchanged(self.0).await
    }

    /// Reads an ended run.
    pub async fn ended_run(self, id: &ChannelId, run: &RunId) -> Result<Option<Run>, Fault> {
        self.0.get(&self.0.tables.channels, &keys::run(id, run)).await?.map(read).transpose()
    }

    /// A page of a channel's ended runs, newest first. `Page::next` is the id of the last run.
    pub async fn ended_runs(self, id: &ChannelId, page: &PageRequest) -> Result<Page<Run>, Fault> {
        let pk = keys::channel_rows(id);
        let query = Query {
            table: &self.0.tables.channels,
            pk: &pk,
            prefix: keys::RUN,
            newest_first: true,
        };
        let after = page.after.as_ref().map(|run| format!("{}{run}", keys::RUN));
        let rows = self.0.query(&query, &PageRequest { limit: page.limit, after }).await?;
        let next = rows.next.map(|sk| sk.trim_start_matches(keys::RUN).to_owned());
        Ok(Page { entries: rows.entries.into_iter().map(read).collect::<Result<_, _>>()?, next })
    }

    /// Waits for the account's next permitted call, and takes it. All callers share this rate
    /// limiter: calls are at least `interval` apart. If the next call is permitted only after
    /// `latest`, nothing is taken, and the inner error is the time to wait.
    pub async fn acquire_call(
        self,
        account: &str,
        interval: Duration,
        latest: Timestamp,
    ) -> Result<Result<(), Duration>, Fault> {
        let table = self.0.tables.channels.as_str();
        optimistically(OFTEN_CHANGED, || async {
            let seen = self.next_permitted_call(account).await?;
            let now = self.0.now();
            let slot = seen.map_or(now, |seen| seen.max(now));
            if slot > latest {
                return Ok(Done(Err(now.until(slot))));
            }
            let put = Write::update(table, keys::rate_limit(account), "SET nextAt = :next");
            let put = put.value(":next", text(slot.plus(interval)));
            let put = match seen {
                None => put.when("attribute_not_exists(pk)"),
                Some(seen) => put.when("nextAt = :seen").value(":seen", text(seen)),
            };
            if Transaction::default().with(put, ()).commit_if_unchanged(self.0).await? {
                self.0.sleep.sleep(now.until(slot)).await;
                return Ok(Done(Ok(())));
            }
            Ok(Conflict(()))
        })
        .await
    }

    /// Delays the account's next call until `until`. A later time is not shortened.
    pub async fn back_off(self, account: &str, until: Timestamp) -> Result<(), Fault> {
        let put = Write::update(
            &self.0.tables.channels,
            keys::rate_limit(account),
            "SET nextAt = :until",
        );
        let put =
            put.when("attribute_not_exists(pk) OR nextAt < :until").value(":until", text(until));
        Transaction::default().with(put, ()).commit_if_unchanged(self.0).await.map(drop)
    }

    async fn next_permitted_call(self, account: &str) -> Result<Option<Timestamp>, Fault> {
        let found = self.0.get(&self.0.tables.channels, &keys::rate_limit(account)).await?;
        found.map(|item| string(&item, "nextAt")?.parse().map_err(Fault::broken)).transpose()
    }
}
