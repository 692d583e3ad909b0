//! `GET /campaigns/{campaignId}/statistics` shows the totals of a campaign's orders, overall and by
//! day (캠페인 통계).
//!
//! An order belongs to the day (KST) on which it was placed, and counts once it is paid. If it is
//! cancelled later, the totals of its day change: the order still counts as an order and in the
//! gross revenue, but also as cancelled, and no longer in the discount and the net revenue.

use domain::{
    CampaignId, Failure, Refusal,
    campaign::{Day, Figures},
    scope::Permission,
};
use edge::{Access, Function, Method, Request, Response, Route};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use store::{
    Store,
    campaigns::{DayTotals, customers_within},
};

/// `GET /campaigns/{campaignId}/statistics`.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/campaigns/{campaignId}/statistics",
    Access::Permissions(&[Permission::ReadCampaigns]),
    "Shows the totals of a campaign's orders, overall and by day in Korea (캠페인 통계)",
)
.query(&[
    ("from", "first day, such as 2026-01-05 (default: the campaign's first day)"),
    ("to", "last day (default: the campaign's last day)"),
])
.response::<CampaignStatistics>();

/// The `campaign-statistics` handler.
pub fn function() -> Function {
    Function::http("campaign-statistics", const { &[ROUTE.served()] }, handle)
}

/// The totals of a campaign's orders.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CampaignStatistics {
    /// The campaign's id.
    campaign_id: CampaignId,
    /// The totals of all days.
    #[serde(flatten)]
    total: Sums,
    /// The days on which orders were placed, oldest first.
    by_day: Vec<DayStatistics>,
}

/// The totals of one day.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DayStatistics {
    /// The day in Korea: `2026-01-05`.
    day: String,
    /// The totals of the day.
    #[serde(flatten)]
    sums: Sums,
}

/// Totals of orders; amounts are in won.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sums {
    /// Paid orders, including those that were cancelled later.
    orders: i64,
    /// Orders that were cancelled after payment.
    cancelled: i64,
    /// The amount of all orders before discounts.
    gross_revenue: i64,
    /// The amount paid for the orders that are not cancelled.
    net_revenue: i64,
    /// The discounts on the orders that are not cancelled.
    discount: i64,
    /// Distinct customers.
    customers: i64,
    /// Customers whose first order ever, through any campaign or none, is one of these orders.
    new_customers: i64,
    /// The average amount paid for an order that is not cancelled, rounded down; 0 if there is
    /// none.
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

fn statistics(
    campaign_id: CampaignId,
    from: Option<Day>,
    days: &BTreeMap<Day, DayTotals>,
) -> CampaignStatistics {
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
