package worker_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	failurepb "go.temporal.io/api/failure/v1"
	sdkactivity "go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"firstpass.internal/activities"
)

// takes is how long every try of an activity takes, on the world's clock. It is
// long for the machine's clock: while a pass workflow starts, which takes
// microseconds, the test environment lets timers fire by that one.
const takes = time.Second

// inline runs activities in the workflow that asks for them, one at a time. The
// test environment runs each in a goroutine of its own: whichever ends first is
// first, and timers fire by the machine's clock meanwhile, so that a seed would
// make one life today and another one tomorrow.
//
// It keeps the server's rules: an activity whose workflow waits for its
// cancellation is over before the workflow goes on, none is tried again after it
// was cancelled, a heartbeat outlives a try but not its activity, and without a
// limit there is none to the tries.
type inline struct {
	ctx     context.Context // of an activity
	acts    reflect.Value
	convert converter.DataConverter
	failure converter.FailureConverter
	slow    *rand.Rand // nil: none takes longer than another
}

// try is what one try of an activity knows.
type try struct {
	number int32
	mark   *activities.Checkpoint
}

type tryKey struct{}

// outside is what the SDK gives to an activity, for all that run inline.
func outside() (context.Context, error) {
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.SetWorkerOptions(sdkworker.Options{Interceptors: []interceptor.WorkerInterceptor{&numbered{}}})
	var out context.Context
	look := func(ctx context.Context) error {
		out = context.WithoutCancel(ctx)
		return nil
	}
	env.RegisterActivity(look)
	_, err := env.ExecuteActivity(look)
	return out, err
}

// numbered tells activities which try they are.
type numbered struct {
	interceptor.WorkerInterceptorBase
}

func (*numbered) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &numberedIn{interceptor.ActivityInboundInterceptorBase{Next: next}}
}

type numberedIn struct {
	interceptor.ActivityInboundInterceptorBase
}

func (n *numberedIn) Init(next interceptor.ActivityOutboundInterceptor) error {
	return n.Next.Init(&numberedOut{interceptor.ActivityOutboundInterceptorBase{Next: next}})
}

type numberedOut struct {
	interceptor.ActivityOutboundInterceptorBase
}

func (n *numberedOut) GetInfo(ctx context.Context) sdkactivity.Info {
	i := n.Next.GetInfo(ctx)
	if t, ok := ctx.Value(tryKey{}).(try); ok {
		i.Attempt = t.number
	}
	return i
}

// marks keeps the checkpoint of each activity.
type marks struct{}

func (marks) Keep(context.Context) func() { return func() {} }

func (marks) Load(ctx context.Context) (activities.Checkpoint, error) {
	return *ctx.Value(tryKey{}).(try).mark, nil
}

func (marks) Save(ctx context.Context, v activities.Checkpoint) error {
	*ctx.Value(tryKey{}).(try).mark = v
	return nil
}

// how says how an activity is tried.
type how struct {
	policy *temporal.RetryPolicy
	wait   bool          // for the end of what was cancelled
	within time.Duration // all tries; zero: any time
	local  bool
	sleep  func(workflow.Context, time.Duration) error
}

// pace returns how long a try waits for a worker, and how long it then is until
// the workflow hears of its end.
func (l *inline) pace() (before, after time.Duration) {
	if l.slow == nil {
		return 0, takes
	}
	return time.Duration(l.slow.IntN(4)) * takes, time.Duration(1+l.slow.IntN(20)) * takes
}

// run runs the activity of that name until it succeeds, fails for good or is
// cancelled.
func (l *inline) run(ctx workflow.Context, name string, args []any, h how) (*commonpb.Payloads, error) {
	t := try{mark: &activities.Checkpoint{}}
	until := workflow.Now(ctx).Add(h.within)
	for {
		before, after := l.pace()
		if ctx.Err() != nil || h.sleep(ctx, before) != nil {
			return nil, temporal.NewCanceledError()
		}
		t.number++
		out, failed := l.once(t, name, args)
		if h.wait {
			free, _ := workflow.NewDisconnectedContext(ctx)
			_ = h.sleep(free, after)
		} else if h.sleep(ctx, after) != nil {
			return nil, temporal.NewCanceledError()
		}
		if failed == nil {
			return out, nil
		}
		again, backoff := next(h.policy, t.number, failed)
		if !again || h.within > 0 && workflow.Now(ctx).Add(backoff).After(until) {
			return nil, l.asSeen(name, failed, h.local)
		}
		if h.sleep(ctx, backoff) != nil {
			return nil, temporal.NewCanceledError()
		}
	}
}

// once is one try. What goes in and what comes out is payload, as on a server.
func (l *inline) once(t try, name string, args []any) (*commonpb.Payloads, error) {
	in, err := l.convert.ToPayloads(args...)
	if err != nil {
		return nil, err
	}
	f := l.acts.MethodByName(name)
	given := []reflect.Value{reflect.ValueOf(context.WithValue(l.ctx, tryKey{}, t))}
	var pointers []any
	for i := 1; i < f.Type().NumIn(); i++ {
		v := reflect.New(f.Type().In(i))
		given, pointers = append(given, v.Elem()), append(pointers, v.Interface())
	}
	if err := l.convert.FromPayloads(in, pointers...); err != nil {
		return nil, err
	}
	got := f.Call(given)
	if err, _ := got[1].Interface().(error); err != nil {
		return nil, l.failure.FailureToError(l.failure.ErrorToFailure(err))
	}
	return l.convert.ToPayloads(got[0].Interface())
}

// next reports whether there is another try, and how long before it.
func next(p *temporal.RetryPolicy, number int32, err error) (bool, time.Duration) {
	var app *temporal.ApplicationError
	if p == nil || errors.As(err, &app) && app.NonRetryable() || p.MaximumAttempts > 0 && number >= p.MaximumAttempts {
		return false, 0
	}
	if app != nil && app.NextRetryDelay() > 0 {
		return true, app.NextRetryDelay()
	}
	d := time.Duration(float64(p.InitialInterval) * math.Pow(p.BackoffCoefficient, float64(number-1)))
	if longest := p.MaximumInterval; longest > 0 && (d > longest || d < 0) {
		d = longest
	}
	return true, d
}

// asSeen is a failure as the workflow sees it.
func (l *inline) asSeen(name string, err error, local bool) error {
	if local {
		return err
	}
	return l.failure.FailureToError(&failurepb.Failure{
		Message: "activity error", Cause: l.failure.ErrorToFailure(err),
		FailureInfo: &failurepb.Failure_ActivityFailureInfo{ActivityFailureInfo: &failurepb.ActivityFailureInfo{
			ActivityType: &commonpb.ActivityType{Name: name},
		}},
	})
}
