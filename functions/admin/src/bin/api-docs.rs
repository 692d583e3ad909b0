//! The Lambda function `api-docs`.

fn main() -> Result<(), edge::Error> {
    edge::run(&admin::api_docs::function())
}
