export const SERVICE_CONFIG = {
  "methodConfig": [
    {
      "name": [{ "service": "goldthread.v1.LookupService" }],
      "retryPolicy": {
        "maxAttempts": 4,
        "initialBackoff": "0.05s",
        "maxBackoff": "0.5s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"]
      }
    },
    {
      "name": [
        { "service": "goldthread.v1.ResolverService" },
        { "service": "goldthread.v1.StewardService" },
        { "service": "goldthread.v1.ProfileService" }
      ],
      "retryPolicy": {
        "maxAttempts": 4,
        "initialBackoff": "0.2s",
        "maxBackoff": "2s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"]
      }
    }
  ],
  "retryThrottling": { "maxTokens": 20, "tokenRatio": 0.1 }
};
