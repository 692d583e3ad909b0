//! The attribution of paid orders to campaigns and to customers' first orders.

use crate::{
    Campaigns, Transaction, Write,
    campaigns::{AFTER, FIRST, NEW},
    item::{Key, number, read, row, text},
    keys,
    optimistic::{
        Attempted::{self, Done},
        OFTEN_CHANGED, optimistically,
    },
    order_views::order_in,
    read::Found,
};
use domain::{
    CampaignId, Fault, OrderId, Timestamp,
    campaign::{Day, Figures, neighbours},
};
use events::Order;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The number of rows that share a day's totals, so that none is hot: each takes about 66 orders
/// per second.
const DAY_SHARDS: u8 = 8;

/// The days on which a customer ordered through a campaign, and the number of writes of this row.
#[derive(Debug, Default, Serialize, Deserialize)]
struct OrderedOn {
    writes: i64,
    days: Vec<Day>,
}

/// A customer's first order of all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FirstOrder {
    placed_at: Timestamp,
    order_id: OrderId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    campaign_id: Option<CampaignId>,
}

/// Increments of numeric attributes, by row and attribute.
#[derive(Debug, Default)]
struct Additions(BTreeMap<(String, String), BTreeMap<String, i64>>);

impl Additions {
    fn add(&mut self, Key { pk, sk }: Key, attribute: impl Into<String>, amount: i64) {
        *self.0.entry((pk, sk)).or_default().entry(attribute.into()).or_default() += amount;
    }

    /// Adds `amount` to the new customers of the campaign and the day of a first order.
    fn new_customers(&mut self, first: &FirstOrder, amount: i64) {
        if let Some(campaign) = &first.campaign_id {
            let day = Day::of(first.placed_at);
            self.add(keys::campaign_day(campaign, day, shard(&first.order_id)), NEW, amount);
        }
    }

    fn figures(&mut self, key: &Key, Figures { orders, cancelled, gross, discount, net }: Figures) {
        for (attribute, amount) in [
            ("orders", orders),
            ("cancelled", cancelled),
            ("gross", gross),
            ("discount", discount),
            ("net", net),
        ] {
            self.add(key.clone(), attribute, amount);
        }
    }

    /// Builds one `ADD` update for each row with a non-zero increment.
    fn writes(self, table: &str) -> Vec<Write> {
        let write = |((pk, sk), amounts): ((String, String), BTreeMap<String, i64>)| {
            let amounts: Vec<(String, i64)> =
                amounts.into_iter().filter(|(_, amount)| *amount != 0).collect();
            if amounts.is_empty() {
                return None;
            }
            let additions: Vec<String> =
                (0..amounts.len()).map(|place| format!("#a{place} :a{place}")).collect();
            let update =
                Write::update(table, Key { pk, sk }, &format!("ADD {}", additions.join(", ")));
            Some(amounts.iter().enumerate().fold(update, |update, (place, (attribute, amount))| {
                update
                    .name(&format!("#a{place}"), attribute)
                    .value(&format!(":a{place}"), number(*amount))
            }))
        };
        self.0.into_iter().filter_map(write).collect()
    }
}

/// The figures that a paid order contributes to its campaign.
pub fn figures(order: &Order) -> Figures {
    let Order { original_amount, discount_amount, total_amount, status, .. } = order;
    Figures::of_order(*original_amount, *discount_amount, *total_amount, status.is_aborted())
}

impl Campaigns<'_> {
    /// Attributes a paid order: adds it to its campaign, if it has one, and records it as its
    /// customer's first order, if it is earlier than the recorded one. Returns `false` if nothing
    /// changed.
    pub async fn attribute(self, order: &Order) -> Result<bool, Fault> {
        optimistically(OFTEN_CHANGED, || async {
            let Some(change) = self.attribution(order).await? else { return Ok(Done(false)) };
            let is_written = change.commit_if_unchanged(self.0).await?;
            Ok(Attempted::done_if(is_written, || true))
        })
        .await
    }

    /// The writes that attribute an order. `None` if there is nothing to write.
    async fn attribution(self, order: &Order) -> Result<Option<Transaction<()>>, Fault> {
        let Order { order_id, customer_id, placed_at, campaign_id, .. } = order;
        let table = self.0.tables.views.as_str();
        let keys = campaign_id
            .iter()
            .flat_map(|campaign| {
                [
                    keys::campaign_order(campaign, *placed_at, order_id),
                    keys::campaign_customer(campaign, customer_id),
                ]
            })
            .chain([keys::first_order(customer_id)]);
        let mut found = self.0.batch_get(keys.map(|key| (table, key))).await?;
        let mut attribution =
            Attribution { table, order, writes: Vec::new(), additions: Additions::default() };
        attribution.record_first_order(&mut found)?;
        if let Some(campaign) = campaign_id {
            attribution.add_to_campaign(campaign, &mut found)?;
        }
        let Attribution { writes, additions, .. } = attribution;
        if writes.is_empty() {
            return Ok(None);
        }
        let writes = writes.into_iter().chain(additions.writes(table));
        Ok(Some(writes.fold(Transaction::default(), |change, write| change.with(write, ()))))
    }
}

/// The writes that attribute one order.
struct Attribution<'a> {
    table: &'a str,
    order: &'a Order,
    /// The order's own rows, each conditional on what was read.
    writes: Vec<Write>,
    additions: Additions,
}

impl Attribution<'_> {
    /// Records the order as its customer's first, if it is earlier than the recorded one.
    fn record_first_order(&mut self, found: &mut Found) -> Result<(), Fault> {
        let Order { order_id, customer_id, placed_at, campaign_id, .. } = self.order;
        let key = keys::first_order(customer_id);
        let recorded: Option<FirstOrder> = found.take(&key).map(read).transpose()?;
        let this = FirstOrder {
            placed_at: *placed_at,
            order_id: order_id.clone(),
            campaign_id: campaign_id.clone(),
        };
        if recorded.as_ref().is_some_and(|recorded| this >= *recorded) {
            return Ok(());
        }
        let put = Write::put(self.table, row(&key, &this)?);
        self.writes.push(match &recorded {
            None => put.when_new(),
            Some(seen) => put.when("orderId = :seen").value(":seen", text(&seen.order_id)),
        });
        if let Some(recorded) = &recorded {
            self.additions.new_customers(recorded, -1);
        }
        self.additions.new_customers(&this, 1);
        Ok(())
    }

    /// Writes the order's row of its campaign, if the stored one is older, and updates the totals
    /// of its day.
    fn add_to_campaign(&mut self, campaign: &CampaignId, found: &mut Found) -> Result<(), Fault> {
        let Order { order_id, placed_at, version, .. } = self.order;
        let key = keys::campaign_order(campaign, *placed_at, order_id);
        let before: Option<Order> = found.take(&key).map(order_in).transpose()?;
        if before.as_ref().is_some_and(|before| before.version >= *version) {
            return Ok(());
        }
        let put = Write::put(self.table, row(&key, self.order)?);
        self.writes.push(match &before {
            None => put.when_new(),
            Some(seen) => put.when("version = :seen").value(":seen", number(seen.version.into())),
        });
        let old_figures = before.as_ref().map(figures).unwrap_or_default();
        let day = keys::campaign_day(campaign, Day::of(*placed_at), shard(order_id));
        self.additions.figures(&day, figures(self.order).less(old_figures));
        if before.is_none() { self.add_order_day(campaign, found) } else { Ok(()) }
    }

    /// Counts the order's customer among the customers of its day, once for each day.
    fn add_order_day(&mut self, campaign: &CampaignId, found: &mut Found) -> Result<(), Fault> {
        let Order { order_id, customer_id, placed_at, .. } = self.order;
        let day = Day::of(*placed_at);
        let key = keys::campaign_customer(campaign, customer_id);
        let ordered_on: Option<OrderedOn> = found.take(&key).map(read).transpose()?;
        let (writes, mut days) =
            ordered_on.map_or((0, Vec::new()), |seen| (seen.writes, seen.days));
        let Some((before, after)) = neighbours(&days, day) else { return Ok(()) };
        let mut add = |day: Day, previous: Option<Day>, amount: i64| {
            let counter =
                previous.map_or_else(|| FIRST.to_owned(), |previous| format!("{AFTER}{previous}"));
            self.additions.add(keys::campaign_day(campaign, day, shard(order_id)), counter, amount);
        };
        add(day, before, 1);
        if let Some(after) = after {
            add(after, before, -1);
            add(after, Some(day), 1);
        }
        days.push(day);
        let put = Write::put(self.table, row(&key, &OrderedOn { writes: writes + 1, days })?);
        self.writes.push(match writes {
            0 => put.when_new(),
            seen => put.when("writes = :seen").value(":seen", number(seen)),
        });
        Ok(())
    }
}

fn shard(order: &OrderId) -> u8 {
    order.as_str().bytes().fold(0u8, u8::wrapping_add) % DAY_SHARDS
}
