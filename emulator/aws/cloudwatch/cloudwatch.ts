import type { Clock } from "../../common/clock.ts";
import type { OperationService } from "../wire/json-service.ts";
import { Alarms } from "./alarms.ts";
import { validationError } from "./errors.ts";
import { MetricStore } from "./metric-store.ts";
import { deleteAlarms, setAlarmActions, setAlarmState } from "./operations/change-alarms.ts";
import {
  describeAlarmHistory,
  describeAlarms,
  describeAlarmsForMetric,
} from "./operations/describe-alarms.ts";
import { getMetricData } from "./operations/get-metric-data.ts";
import { getMetricStatistics } from "./operations/get-metric-statistics.ts";
import { listMetrics } from "./operations/list-metrics.ts";
import { putMetricAlarm } from "./operations/put-metric-alarm.ts";
import { putMetricData } from "./operations/put-metric-data.ts";

/** CloudWatch in memory: metrics and alarms of one account, all regions alike. */
export class CloudWatch {
  readonly metrics: MetricStore;
  readonly alarms: Alarms;
  readonly service: OperationService;

  constructor(clock: Clock) {
    const metrics = new MetricStore(clock);
    const alarms = new Alarms(clock, metrics);
    this.metrics = metrics;
    this.alarms = alarms;
    this.service = {
      service: "monitoring",
      invalid: validationError,
      xmlNamespace: "http://monitoring.amazonaws.com/doc/2010-08-01/",
      operations: {
        DeleteAlarms: deleteAlarms(alarms),
        DescribeAlarmHistory: describeAlarmHistory(alarms),
        DescribeAlarms: describeAlarms(alarms),
        DescribeAlarmsForMetric: describeAlarmsForMetric(alarms),
        DisableAlarmActions: setAlarmActions(alarms, false),
        EnableAlarmActions: setAlarmActions(alarms, true),
        GetMetricData: getMetricData(metrics),
        GetMetricStatistics: getMetricStatistics(metrics),
        ListMetrics: listMetrics(metrics, clock),
        PutMetricAlarm: putMetricAlarm(alarms),
        PutMetricData: putMetricData(metrics, clock),
        SetAlarmState: setAlarmState(alarms),
      },
    };
  }

  /** What was measured is gone; alarms stay, and find no data. */
  clear(): void {
    this.metrics.clear();
  }

  /** Alarms are judged no more. */
  stop(): void {
    this.alarms.stop();
  }
}
