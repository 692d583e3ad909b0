//! The Lambda function `aggregate-top-sellers`.

fn main() -> Result<(), edge::Error> {
    edge::run(&rankings::aggregate_top_sellers::function())
}
