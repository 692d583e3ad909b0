//! `GET /campaigns/{campaignId}/statistics` tells what the orders of a campaign amount to, all together and by the day (캠페인
//! 통계).
//!
//! An order belongs to the day (KST) on which it was placed, and counts once it is paid. One that is called off afterwards
//! restates its day: it is still among the orders and their gross revenue, but among the cancelled too, and no longer part of
//! the discount and the net revenue.

use domain::{
    CampaignId, Failure, Refusal, Role,
    campaign::{Day, Figures},
};
use edge::{Access, Function, Method, Request, Response, Route};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use store::{
    Store,
    campaigns::{DayTotals, customers_within},
};

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/campaigns/{campaignId}/statistics",
    Access::Roles(&[Role::Partner, Role::Operator]),
    "Tells what the orders of a campaign amount to, by the day in Korea (캠페인 통계)",
)
.query(&[
    ("from", "the first day, such as 2026-01-05; the campaign's first, if left out"),
    ("to", "the last day; the campaign's last, if left out"),
])
.response::<CampaignStatistics>();

/// The function.
pub fn function() -> Function {
    Function::http("campaign-statistics", &[ROUTE], handle)
}

/// What the orders of a campaign amount to.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CampaignStatistics {
    /// Which campaign.
    campaign_id: CampaignId,
    /// All days together.
    #[serde(flatten)]
    total: Sums,
    /// The days on which orders were placed, the first first.
    by_day: Vec<DayStatistics>,
}

/// What the orders of a day amount to.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DayStatistics {
    /// The day in Korea: `2026-01-05`.
    day: String,
    /// Its sums.
    #[serde(flatten)]
    sums: Sums,
}

/// Sums over orders, in won.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sums {
    /// Orders that were paid, those called off afterwards among them.
    orders: i64,
    /// Those of them that were called off.
    cancelled: i64,
    /// What all of them would have cost before discounts.
    gross_revenue: i64,
    /// What those that stand have paid.
    net_revenue: i64,
    /// What was taken off those that stand.
    discount: i64,
    /// Different customers who ordered.
    customers: i64,
    /// Those whose first order of all, through whatever campaign or none, was one of them.
    new_customers: i64,
    /// What an order that stands has paid on average, rounded down; 0 if none stands.
    average_order_value: i64,
}

impl Sums {
    fn of(figures: Figures, customers: i64, new_customers: i64) -> Self {
        Self {
            orders: figures.orders,
            cancelled: figures.cancelled,
            gross_revenue: figures.gross,
            net_revenue: figures.net,
            discount: figures.discount,
            customers,
            new_customers,
            average_order_value: figures.average(),
        }
    }
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let campaign_id: CampaignId = request.path("campaignId")?;
    let (from, to): (Option<Day>, Option<Day>) = (request.query("from")?, request.query("to")?);
    if from.zip(to).is_some_and(|(from, to)| from > to) {
        return Err(Refusal::field("to", "must not be before from").into());
    }
    let mut days = store.until(request.deadline).campaigns().days(&campaign_id).await?;
    days.retain(|day, _| from.is_none_or(|from| from <= *day) && to.is_none_or(|to| *day <= to));
    Ok(Response::ok(&statistics(campaign_id, from, &days)))
}

fn statistics(campaign_id: CampaignId, from: Option<Day>, days: &BTreeMap<Day, DayTotals>) -> CampaignStatistics {
    let mut figures = Figures::default();
    let mut new_customers = 0;
    for day in days.values() {
        figures += day.figures;
        new_customers += day.new_customers;
    }
    let of_day = |(day, sum): (&Day, &DayTotals)| DayStatistics {
        day: day.to_string(),
        sums: Sums::of(sum.figures, sum.customers.values().sum(), sum.new_customers),
    };
    CampaignStatistics {
        campaign_id,
        total: Sums::of(figures, customers_within(days, from), new_customers),
        by_day: days.iter().map(of_day).collect(),
    }
}
