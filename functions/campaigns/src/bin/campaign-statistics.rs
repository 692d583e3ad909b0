//! The Lambda function `campaign-statistics`.

fn main() -> Result<(), edge::Error> {
    edge::run(&campaigns::campaign_statistics::function())
}
