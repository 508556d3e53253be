import {
  CloudWatchClient,
  DeleteAlarmsCommand,
  DescribeAlarmHistoryCommand,
  GetMetricStatisticsCommand,
  PutMetricAlarmCommand,
  PutMetricDataCommand,
  paginateDescribeAlarms,
  paginateGetMetricData,
  paginateListMetrics,
  SetAlarmStateCommand,
  waitUntilAlarmExists,
} from "@aws-sdk/client-cloudwatch";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CloudWatch } from "../../../../emulator/aws/cloudwatch/cloudwatch.ts";
import { silentLog } from "../../../../emulator/common/log.ts";
import { VirtualClock } from "../../../../emulator/common/virtual-clock.ts";
import { type Listener, listen } from "../../../../emulator/frontends/http1/listener.ts";
import { awsPort, sendTo } from "../../../support/aws-exchange.ts";

const START_MS = Date.parse("2026-11-25T12:00:00Z");

let clock: VirtualClock;
let listener: Listener;
let client: CloudWatchClient;

beforeAll(async () => {
  clock = new VirtualClock(START_MS);
  const port = awsPort([new CloudWatch(clock).service]);
  listener = await listen(
    { address: "127.0.0.1", port: 0, onRequest: (exchange) => port.handle(exchange) },
    silentLog,
  );
  client = new CloudWatchClient({
    endpoint: `http://127.0.0.1:${listener.port}`,
    region: "us-east-1",
    credentials: { accessKeyId: "a", secretAccessKey: "b" },
    maxAttempts: 1,
  });
});

afterAll(async () => {
  client.destroy();
  await listener.close();
});

const collect = async <Page, Item>(
  pages: AsyncIterable<Page>,
  items: (page: Page) => readonly Item[] | undefined,
): Promise<Item[]> => {
  const all: Item[] = [];
  for await (const page of pages) all.push(...(items(page) ?? []));
  return all;
};

describe("AWS's client of CloudWatch", () => {
  test("metrics: put, listed, read as statistics and as data of expressions", async () => {
    const Dimensions = [{ Name: "Model", Value: "a.tar.gz" }];
    await client.send(
      new PutMetricDataCommand({
        Namespace: "Mine",
        MetricData: [
          {
            MetricName: "size",
            Dimensions,
            Values: [1, 5],
            Counts: [3, 1],
            Unit: "Count",
            Timestamp: new Date(START_MS),
          },
          { MetricName: "size", Dimensions, Value: 4, Unit: "Count", Timestamp: new Date(START_MS + 60_000) },
        ],
      }),
    );
    const metrics = await collect(
      paginateListMetrics({ client }, { Namespace: "Mine" }),
      ({ Metrics }) => Metrics,
    );
    expect(metrics).toEqual([{ Namespace: "Mine", MetricName: "size", Dimensions }]);
    const range = { StartTime: new Date(START_MS), EndTime: new Date(START_MS + 300_000) };
    const statistics = await client.send(
      new GetMetricStatisticsCommand({
        ...range,
        Namespace: "Mine",
        MetricName: "size",
        Dimensions,
        Period: 60,
        Statistics: ["Sum", "SampleCount"],
        ExtendedStatistics: ["p90"],
      }),
    );
    expect(statistics.Datapoints).toEqual([
      {
        Timestamp: new Date(START_MS),
        Sum: 8,
        SampleCount: 4,
        ExtendedStatistics: { p90: 5 },
        Unit: "Count",
      },
      {
        Timestamp: new Date(START_MS + 60_000),
        Sum: 4,
        SampleCount: 1,
        ExtendedStatistics: { p90: 4 },
        Unit: "Count",
      },
    ]);
    const results = await collect(
      paginateGetMetricData(
        { client },
        {
          ...range,
          ScanBy: "TimestampAscending",
          MetricDataQueries: [
            {
              Id: "m",
              MetricStat: {
                Metric: { Namespace: "Mine", MetricName: "size", Dimensions },
                Period: 60,
                Stat: "Sum",
              },
              ReturnData: false,
            },
            { Id: "e", Expression: "m * 2", Label: "twice" },
          ],
        },
      ),
      ({ MetricDataResults }) => MetricDataResults,
    );
    expect(results).toMatchObject([
      {
        Id: "e",
        Label: "twice",
        Timestamps: [new Date(START_MS), new Date(START_MS + 60_000)],
        Values: [16, 8],
        StatusCode: "Complete",
      },
    ]);
  });

  test("alarms: put, waited for, set, told of and deleted", async () => {
    await client.send(
      new PutMetricAlarmCommand({
        AlarmName: "a",
        Namespace: "Mine",
        MetricName: "size",
        Statistic: "Average",
        Period: 60,
        EvaluationPeriods: 2,
        Threshold: 3.5,
        ComparisonOperator: "GreaterThanThreshold",
        TreatMissingData: "notBreaching",
      }),
    );
    await waitUntilAlarmExists({ client, maxWaitTime: 5, minDelay: 1 }, { AlarmNames: ["a"] });
    await client.send(
      new SetAlarmStateCommand({ AlarmName: "a", StateValue: "ALARM", StateReason: "by hand" }),
    );
    const alarms = await collect(paginateDescribeAlarms({ client }, {}), ({ MetricAlarms }) => MetricAlarms);
    expect(alarms).toMatchObject([
      {
        AlarmArn: "arn:aws:cloudwatch:us-east-1:000000000000:alarm:a",
        StateValue: "ALARM",
        StateReason: "by hand",
        StateUpdatedTimestamp: new Date(START_MS),
        Threshold: 3.5,
        TreatMissingData: "notBreaching",
      },
    ]);
    const history = await client.send(
      new DescribeAlarmHistoryCommand({ AlarmName: "a", HistoryItemType: "StateUpdate" }),
    );
    expect(history.AlarmHistoryItems).toMatchObject([
      { HistorySummary: "Alarm updated from INSUFFICIENT_DATA to ALARM", Timestamp: new Date(START_MS) },
    ]);
    await client.send(new DeleteAlarmsCommand({ AlarmNames: ["a"] }));
    await expect(client.send(new DeleteAlarmsCommand({ AlarmNames: ["a"] }))).rejects.toMatchObject({
      name: "ResourceNotFound",
      $metadata: { httpStatusCode: 404 },
    });
  });

  test("errors have the classes of the client", async () => {
    const wrong = new PutMetricDataCommand({
      Namespace: "Mine",
      MetricData: [{ MetricName: "m", Value: 1, StorageResolution: 7 }],
    });
    await expect(client.send(wrong)).rejects.toMatchObject({
      name: "InvalidParameterValueException",
      message: "The parameter MetricData.member.1.StorageResolution must be 1 or 60.",
    });
  });
});

test("the query protocol: lists by number, answers in XML", async () => {
  const port = awsPort([new CloudWatch(new VirtualClock(START_MS)).service]);
  const query = async (text: string) => {
    const form = { "content-type": "application/x-www-form-urlencoded" };
    const answer = await sendTo(port, "POST /", form, `Version=2010-08-01&${text}`);
    return `${answer?.status} ${answer?.text}`;
  };
  const datum = "MetricData.member.1";
  const put = `Action=PutMetricData&Namespace=N&${datum}.MetricName=m&${datum}.Values.member.1=2&${datum}.Values.member.2=3&${datum}.Dimensions.member.1.Name=D&${datum}.Dimensions.member.1.Value=x`;
  expect(await query(put)).toContain("200 ");
  const listed = await query("Action=ListMetrics&Namespace=N");
  expect(listed).toContain("<member><Name>D</Name><Value>x</Value></member>");
  const statistics = await query(
    "Action=GetMetricStatistics&Namespace=N&MetricName=m&Period=60&StartTime=2026-11-25T12:00:00Z&EndTime=2026-11-25T12:05:00Z&Statistics.member.1=Sum&ExtendedStatistics.member.1=p50&Dimensions.member.1.Name=D&Dimensions.member.1.Value=x",
  );
  expect(statistics).toContain("<Sum>5</Sum>");
  expect(statistics).toContain(
    "<ExtendedStatistics><entry><key>p50</key><value>2</value></entry></ExtendedStatistics>",
  );
  expect(statistics).toContain("<Timestamp>2026-11-25T12:00:00Z</Timestamp>");
  const refused = await query(`${put}&${datum}.StorageResolution=7`);
  expect(refused).toContain("400 ");
  expect(refused).toContain("<Code>InvalidParameterValue</Code>");
});
